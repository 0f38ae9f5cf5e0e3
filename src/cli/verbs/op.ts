/** dendro op */

import { existsSync } from '../../system/files.ts'
import { sysrootPaths } from '../../sysroot/sysroot.ts'
import { Sysroot } from '../../sysroot/session.ts'
import type { Repository } from '../../store/repository.ts'
import { listOperations } from '../../deploy/undo.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { GlobalOptions, Verb } from '../shared/arguments.ts'
import { withRepository } from '../shared/open-repository.ts'
import { print, printJson } from '../shared/output.ts'

const usage = 'op log [-n N]'

/** The sysroot, where there is one: a repository may stand alone. */
export const sysrootOf = (
  repository: Repository,
  global: GlobalOptions,
): Sysroot | undefined => {
  const paths = sysrootPaths(global.sysroot)
  return existsSync(paths.deploy) ? new Sysroot(repository, paths) : undefined
}

export const verb: Verb = {
  usage,
  summary:
    'list what was done, newest first: moves of refs, deployments, changes of /etc\n\n' +
    '"dendro undo ID" takes an operation back.',
  run: async context => {
    const options = { n: { type: 'string', short: 'n' } } as const
    const parsed = parseVerb(context, usage, options, [1, 1])
    const [action] = parsed.positionals
    if (action !== 'log') throw usageError(`unknown action ${action}`, usage)
    const count = Number(parsed.string('n') ?? '1000')
    if (!Number.isSafeInteger(count) || count < 0)
      throw usageError('-n takes a number', usage)
    await withRepository(context.global, repository => {
      const sysroot = sysrootOf(repository, context.global)
      const all = listOperations(repository, sysroot).slice(0, count)
      if (context.global.json) printJson({ operations: all })
      else
        for (const { id, time, text } of all)
          print(`${id.padEnd(6)} ${time.replace(/\.\d+Z$/, 'Z')} ${text}`)
    })
  },
}
