/** Copies a commit with all that it needs from one repository to another. */

import { wrapSystemError } from '../errors.ts'
import { encodeCommit } from '../objects/commit.ts'
import type { Digest } from '../objects/digest.ts'
import { RefStore } from '../refs/ref-store.ts'
import type { RefName } from '../refs/ref-name.ts'
import type { Repository } from '../store/repository.ts'
import { Reachability } from './reachability.ts'
import type { ReachedObject } from './reachability.ts'

export interface CopiedCommit {
  readonly objects: number
  /** Plain bytes of what was not there yet. */
  readonly bytes: number
}

export interface CopyOptions {
  /** Names it in the target. */
  readonly ref?: RefName | undefined
  /** Called once when another change of the target is waited for. */
  readonly onWait?: (() => void) | undefined
}

/**
 * Copies one commit; its parents are named by it and need not be there. Every
 * object is hashed again on its way. Errors: damage of the source, `NO_SPACE`.
 */
export const copyCommit = async (
  from: Repository,
  to: Repository,
  id: Digest,
  { ref, onWait }: CopyOptions = {},
): Promise<CopiedCommit> => {
  const commit = from.commits.load(id)
  const reached: ReachedObject[] = []
  new Reachability(from, {
    onObject: object => reached.push(object),
  }).add(commit.root)
  const writer = await to.beginWrite(onWait)
  const lease = from.lease()
  try {
    for (const { digest, kind } of reached) {
      if (writer.has(digest)) continue
      writer.add(kind === 'chunk' ? 'data' : 'meta', lease.read(digest))
      lease.end()
      if (writer.isBehind()) await writer.drained()
    }
    const packs = await writer.finish()
    await to.publish(
      packs,
      () => {
        to.commits.put(encodeCommit(commit))
        if (ref !== undefined) new RefStore(to.paths, 'refs').set(ref, id)
      },
      onWait,
    )
    return {
      objects: writer.statistics.newObjects,
      bytes: writer.statistics.newBytes,
    }
  } catch (error) {
    throw wrapSystemError('cannot copy the commit', error)
  } finally {
    lease.end()
    await writer.close()
  }
}
