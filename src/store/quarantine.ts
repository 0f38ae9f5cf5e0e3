/**
 * Objects that were found damaged: small files in `quarantine/`, named by the
 * digest.
 *
 * A quarantined object does not count as stored, so the next commit that holds
 * the same bytes stores a good copy. A repair empties the directory.
 * Format: docs/formats/repository.md
 */

import type { DendroError } from '../errors.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import {
  makeDirectoryDurably,
  removeIfThere,
  writeDurably,
} from '../system/durable-file.ts'
import { listNamesIfThere } from '../system/plain-file.ts'
import type { RepositoryPaths } from './layout.ts'
import type { Repository } from './repository.ts'

/**
 * Quarantines the object that `error` names, and with a damaged frame all that
 * stand in it. Best effort: the repository may be read-only.
 */
export const quarantine = (
  repository: Repository,
  error: DendroError,
): void => {
  const { digest, pack, frameOffset } = error.data
  if (typeof digest !== 'string' || error.code === 'MISSING_OBJECT') return
  const record = { code: error.code, pack, frameOffset, message: error.message }
  const { paths, indexes } = repository
  try {
    const touched =
      error.code === 'CORRUPT_PACK' &&
      typeof pack === 'string' &&
      typeof frameOffset === 'number'
        ? indexes.objectsInFrame(pack, frameOffset)
        : []
    makeDirectoryDurably(paths.quarantine)
    for (const object of new Set([digest as Digest, ...touched]))
      writeDurably(
        paths.quarantine.child(digestToHex(object)),
        Buffer.from(`${JSON.stringify(record)}\n`),
        { temporaryDirectory: paths.temporary },
      )
  } catch {
    // The event and the log have told it all the same.
  }
}

/** The objects in quarantine. */
export const listQuarantine = (
  paths: Pick<RepositoryPaths, 'quarantine'>,
): Set<Digest> =>
  new Set(
    listNamesIfThere(paths.quarantine)
      .map(digestFromHex)
      .filter(digest => digest !== undefined),
  )

/** Takes objects out: a good copy is stored. */
export const releaseQuarantine = (
  paths: RepositoryPaths,
  digests: Iterable<Digest>,
): void => {
  for (const digest of digests)
    removeIfThere(paths.quarantine.child(digestToHex(digest)))
}
