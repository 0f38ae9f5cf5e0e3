/** dendro instance */

import {
  createInstance,
  listInstances,
  removeInstance,
  runInInstance,
} from '../../root/instances.ts'
import type { Instance } from '../../root/instances.ts'
import { sysrootPaths } from '../../sysroot/sysroot.ts'
import { resolveRevision } from '../../refs/revision.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Verb, VerbContext } from '../shared/arguments.ts'
import { formatTime } from '../shared/describe.ts'
import { withReader, withRepository } from '../shared/open-repository.ts'
import { splitCommand, useSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

const usage =
  'instance create NAME REV\n' +
  '       dendro instance list\n' +
  '       dendro instance rm NAME\n' +
  '       dendro instance run NAME -- COMMAND [ARGUMENT]...'

export const verb: Verb = {
  usage,
  summary:
    'many writable roots over one commit, each with its own changes\n\n' +
    'An instance takes no room until something is written in it.',
  run: async context => {
    const { own, command } = splitCommand(context.args)
    const parsed = parseVerb({ ...context, args: own }, usage, {}, [1, 3])
    const [action, name, revision, ...rest] = parsed.positionals as string[]
    const { json } = context.global
    const paths = sysrootPaths(context.global.sysroot)
    if (rest.length > 0 || command.length > 0 !== (action === 'run'))
      throw usageError('bad arguments', usage)
    if (action === 'list' && name === undefined) {
      const all = listInstances(paths)
      if (json) printJson({ instances: all.map(toJson) })
      else for (const instance of all) print(describe(instance))
    } else if (name === undefined) throw usageError('too few arguments', usage)
    else if (action === 'create' && revision !== undefined)
      await withReader(context.global, async repository => {
        const commit = resolveRevision(repository, revision)
        const made = await useSysroot(repository, context.global, sysroot =>
          createInstance(sysroot, name, commit),
        )
        if (json) printJson(toJson(made))
      })
    else if (action === 'rm' && revision === undefined)
      await withRepository(context.global, repository =>
        useSysroot(repository, context.global, sysroot =>
          removeInstance(sysroot, name),
        ),
      )
    else if (action === 'run' && revision === undefined)
      await run(context, name, command)
    else throw usageError('bad arguments', usage)
  },
}

const run = async (
  context: VerbContext,
  name: string,
  words: readonly string[],
): Promise<void> => {
  process.exitCode = await withRepository(context.global, repository =>
    useSysroot(repository, context.global, sysroot =>
      runInInstance(sysroot, name, { words }),
    ),
  )
}

const toJson = ({ name, commit, createdSec, running }: Instance) => ({
  name,
  commit,
  created: createdSec,
  running: running !== undefined,
})

const describe = ({ name, commit, createdSec, running }: Instance): string =>
  `${name.padEnd(16)} ${commit.slice(0, 12)} ${formatTime(createdSec)}${running === undefined ? '' : ' running'}`
