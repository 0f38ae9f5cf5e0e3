/** dendro run */

import { runInCommit, runInDeployment } from '../../root/enter.ts'
import { chooseDeployment } from '../../deploy/etc-view.ts'
import type { Sysroot } from '../../sysroot/session.ts'
import { commitOf } from '../../sysroot/sysroot.ts'
import type { Digest } from '../../objects/digest.ts'
import { resolveRevision } from '../../refs/revision.ts'
import type { Repository } from '../../store/repository.ts'
import type { GlobalOptions, Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/run.ts'
import { withRepository } from '../shared/open-repository.ts'
import { useSysroot } from '../shared/open-sysroot.ts'

export const verb: Verb<typeof definition> = {
  run: invocation =>
    enterAndExit(invocation, () => invocation.operands.command),
}

type CommandOf = (repository: Repository, commit: Digest) => readonly string[]

/** What run and shell have in common. */
export interface EnteringInvocation {
  readonly global: GlobalOptions
  readonly operands: { readonly revision: string | undefined }
  readonly options: { readonly deployment: number | undefined }
}

/** Runs what `commandOf` says of the place, and ends with its status. */
export const enterAndExit = async (
  { global, operands, options }: EnteringInvocation,
  commandOf: CommandOf,
): Promise<void> => {
  const { revision } = operands
  process.exitCode = await withRepository(global, repository =>
    revision === undefined
      ? useSysroot(repository, global, sysroot =>
          enterDeployment(sysroot, options.deployment, commandOf),
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
