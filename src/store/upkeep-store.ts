/**
 * What pruning, checking and repairing need of a store besides what readers and
 * writers need. Each part stands alone: who needs one asks for that one.
 */

import type { Digest } from '../objects/digest.ts'
import type { FileLock, LockMode, OnWait } from '../system/lock.ts'
import type { IndexEntry } from './index-format.ts'
import type { Place } from './place.ts'

/**
 * Locks, against other processes too. `onWait` is called when one is waited for.
 * Who wants both takes the objects first.
 */
export interface StoreLocks {
  /**
   * Holds the objects: shared, none of them is removed; exclusive, nobody else
   * relies on any. Who waits for it exclusively gets its turn.
   */
  lockObjects(mode: LockMode, onWait?: OnWait): Promise<FileLock>
  /** Holds still what is published: packs, indexes, commits, refs. */
  lockPublication(onWait?: OnWait): Promise<FileLock>
}

/** Where objects stand. At once, without a look at the packs. */
export interface ObjectPlaces {
  /** A place of the object, or undefined where no index names it. */
  find(digest: Digest): Place | undefined
  /** Looks for what was published since; true when there is something new. */
  reload(): boolean
}

/** All that is stored, as the indexes say. */
export interface ObjectCatalogue extends ObjectPlaces {
  /** The indexes. An object may stand in several, and at several places. */
  readonly files: readonly ObjectIndex[]
  /** All places of an object: after a repair or a prune there may be several. */
  findAll(digest: Digest): Place[]
  /** The objects that are said to stand in the frame at a byte of a pack. */
  objectsInFrame(pack: string, frameOffset: number): Digest[]
  /**
   * Replaces all indexes by one over `entries`, durably: what they do not name
   * is no longer stored. The caller holds the publication lock.
   */
  replaceAll(entries: readonly IndexEntry[]): void
  /** Places that were found by reading the packs, used where no index helps. */
  useScanned(places: ReadonlyMap<Digest, Place>): void
}

/** One index. */
export interface ObjectIndex {
  readonly entries: number
  /** All that it names. Errors: `CORRUPT_INDEX`. */
  readAll(): IndexEntry[]
}

/** Commits, for who removes and mends them. The caller holds the publication lock. */
export interface CommitUpkeep {
  /** Replaces a damaged or missing commit by a good copy of its bytes, durably. */
  restore(bytes: Buffer): void
  /** Removes a commit; durable once the directory of commits is synced. */
  remove(id: Digest): void
  /** Bytes that it takes; 0 where it is not there. */
  fileBytes(id: Digest): number
}
