/** Which repository a command means, and the revision arguments in it. */

import { join } from 'node:path'
import type { Commit } from '../../objects/commit.ts'
import type { Digest } from '../../objects/digest.ts'
import { resolveRevision } from '../../refs/revision.ts'
import { Repository } from '../../store/repository.ts'
import { callerVariable } from '../../system/caller.ts'
import { warnWaiting } from './output.ts'
import type { GlobalOptions } from './arguments.ts'

/** `--repo`, `$DENDRO_REPO`, or the repository of the system root. */
export const repositoryPath = (global: GlobalOptions): string =>
  global.repo ??
  callerVariable('DENDRO_REPO') ??
  join(global.sysroot, 'dendro', 'repo')

export const openRepository = (global: GlobalOptions): Repository =>
  Repository.open(repositoryPath(global))

/** Opens the repository for `work` and closes it in any case. */
export const withRepository = async <T>(
  global: GlobalOptions,
  work: (repository: Repository) => T | Promise<T>,
): Promise<T> => {
  const repository = openRepository(global)
  try {
    return await work(repository)
  } finally {
    repository.close()
  }
}

/** The same for a reader: nothing that it may need is pruned meanwhile. */
export const withReader = <T>(
  global: GlobalOptions,
  work: (repository: Repository) => T | Promise<T>,
): Promise<T> =>
  withRepository(global, async repository => {
    const lock = await repository.lockObjects('shared', warnWaiting)
    try {
      return await work(repository)
    } finally {
      lock.release()
    }
  })

export const loadRevision = (
  repository: Repository,
  revision: string,
): { id: Digest; commit: Commit } => {
  const id = resolveRevision(repository, revision)
  return { id, commit: repository.commits.load(id) }
}
