/** dendro run */

import { runInCommit, runInDeployment } from '../../root/enter.ts'
import { chooseDeployment } from '../../deploy/etc-view.ts'
import type { Sysroot } from '../../sysroot/session.ts'
import { commitOf } from '../../sysroot/sysroot.ts'
import type { Digest } from '../../objects/digest.ts'
import { resolveRevision } from '../../refs/revision.ts'
import type { Repository } from '../../store/repository.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Verb, VerbContext } from '../shared/arguments.ts'
import { withRepository } from '../shared/open-repository.ts'
import {
  optionalIndex,
  splitCommand,
  useSysroot,
} from '../shared/open-sysroot.ts'

const usage = 'run [--deployment N | REV] -- COMMAND [ARGUMENT]...'

export const verb: Verb = {
  usage,
  summary:
    'run a command inside a deployment or a commit\n\n' +
    'Without REV it is the running deployment, else the default one; its /etc and\n' +
    '/var are the real ones. In a REV they are thrown away afterwards. The exit\n' +
    "status is the command's.",
  run: context => {
    const { own, command } = splitCommand(context.args)
    if (command.length === 0)
      throw usageError("a command is missing behind '--'", usage)
    return enterAndExit({ ...context, args: own }, usage, () => command)
  },
}

type CommandOf = (repository: Repository, commit: Digest) => readonly string[]

/** Runs what `commandOf` says of the place, and ends with its status. */
export const enterAndExit = async (
  context: VerbContext,
  verbUsage: string,
  commandOf: CommandOf,
): Promise<void> => {
  const parsed = parseVerb(
    context,
    verbUsage,
    { deployment: { type: 'string', short: 'd' } },
    [0, 1],
  )
  const index = optionalIndex(parsed.string('deployment'), verbUsage)
  const [revision] = parsed.positionals
  if (revision !== undefined && index !== undefined)
    throw usageError('name a deployment or a REV, not both', verbUsage)
  process.exitCode = await withRepository(context.global, repository =>
    revision === undefined
      ? useSysroot(repository, context.global, sysroot =>
          enterDeployment(sysroot, index, commandOf),
        )
      : enterCommit(repository, revision, commandOf),
  )
}

const enterCommit = (
  repository: Repository,
  revision: string,
  commandOf: CommandOf,
): Promise<number> => {
  const commit = resolveRevision(repository, revision)
  return runInCommit(repository, commit, {
    words: commandOf(repository, commit),
  })
}

const enterDeployment = (
  sysroot: Sysroot,
  index: number | undefined,
  commandOf: CommandOf,
): Promise<number> => {
  const deployment = chooseDeployment(sysroot, index)
  return runInDeployment(sysroot, deployment, {
    words: commandOf(sysroot.repository, commitOf(deployment)),
  })
}
