/** dendro op */

import { existsSync } from '../../system/files.ts'
import { sysrootPaths } from '../../sysroot/sysroot.ts'
import { Sysroot } from '../../sysroot/session.ts'
import type { Repository } from '../../store/repository.ts'
import { listOperations } from '../../deploy/undo.ts'
import type { definition } from '../definitions/op.ts'
import type { GlobalOptions, Verb } from '../shared/arguments.ts'
import { withRepository } from '../shared/open-repository.ts'
import { print, printJson } from '../shared/output.ts'

/** The sysroot, where there is one: a repository may stand alone. */
export const sysrootOf = (
  repository: Repository,
  global: GlobalOptions,
): Sysroot | undefined => {
  const paths = sysrootPaths(global.sysroot)
  return existsSync(paths.deploy) ? new Sysroot(repository, paths) : undefined
}

export const verb: Verb<typeof definition> = {
  run: async ({ global, options }) => {
    const count = options.count ?? 1000
    await withRepository(global, repository => {
      const sysroot = sysrootOf(repository, global)
      const all = listOperations(repository, sysroot).slice(0, count)
      if (global.json) printJson({ operations: all })
      else
        for (const { id, time, text } of all)
          print(`${id.padEnd(6)} ${time.replace(/\.\d+Z$/, 'Z')} ${text}`)
    })
  },
}
