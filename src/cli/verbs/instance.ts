/** dendro instance */

import {
  createInstance,
  listInstances,
  removeInstance,
  runInInstance,
} from '../../root/instances.ts'
import type { Instance } from '../../root/instances.ts'
import { sysrootPaths } from '../../sysroot/sysroot.ts'
import type { SysrootPaths } from '../../sysroot/sysroot.ts'
import { resolveRevision } from '../../refs/revision.ts'
import type { definition } from '../definitions/instance.ts'
import type { GlobalOptions, Verb } from '../shared/arguments.ts'
import { formatTime } from '../shared/describe.ts'
import { withReader, withRepository } from '../shared/open-repository.ts'
import { useSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async invocation => {
    const { global } = invocation
    const paths = sysrootPaths(global.sysroot)
    switch (invocation.form) {
      case 'list':
        list(global, paths)
        return
      case 'create': {
        const { name, revision } = invocation.operands
        await withReader(global, async repository => {
          const commit = resolveRevision(repository, revision)
          const made = await useSysroot(repository, global, sysroot =>
            createInstance(sysroot, name, commit),
          )
          if (global.json) printJson(toJson(made))
        })
        return
      }
      case 'rm': {
        const { name } = invocation.operands
        await withRepository(global, repository =>
          useSysroot(repository, global, sysroot =>
            removeInstance(sysroot, name),
          ),
        )
        return
      }
      case 'run': {
        const { name, command } = invocation.operands
        process.exitCode = await withRepository(global, repository =>
          useSysroot(repository, global, sysroot =>
            runInInstance(sysroot, name, { words: command }),
          ),
        )
      }
    }
  },
}

const list = (global: GlobalOptions, paths: SysrootPaths): void => {
  const all = listInstances(paths)
  if (global.json) printJson({ instances: all.map(toJson) })
  else for (const instance of all) print(describe(instance))
}

const toJson = ({ name, commit, createdSec, running }: Instance) => ({
  name,
  commit,
  created: createdSec,
  running: running !== undefined,
})

const describe = ({ name, commit, createdSec, running }: Instance): string =>
  `${name.padEnd(16)} ${commit.slice(0, 12)} ${formatTime(createdSec)}${running === undefined ? '' : ' running'}`
