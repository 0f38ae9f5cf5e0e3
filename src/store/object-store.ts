/**
 * What a store promises to those who write, and what it knows besides objects.
 *
 * Reading is in object-reader.ts; what pruning and repairing need besides is in
 * upkeep-store.ts. docs/decisions/store-contract.md
 */

import type { Commit } from '../objects/commit.ts'
import type { Digest } from '../objects/digest.ts'
import type { OnWait } from '../system/lock.ts'
import type { Grafts } from './grafts.ts'
import type { LocalReader, ObjectReader } from './object-reader.ts'
import type { ObjectSink, WriterStatistics } from './object-writer.ts'

/**
 * Commits by their ids. They are small, and a store has those that it names:
 * answers are at once. Errors of what reads one: `CORRUPT_OBJECT`, and system
 * errors.
 */
export interface CommitReader {
  /** Whether it is there; it may be damaged. */
  has(id: Digest): boolean
  /** The commit, or undefined where there is none. */
  get(id: Digest): Commit | undefined
  /** The commit. Errors besides: `MISSING_OBJECT`. */
  load(id: Digest): Commit
  /** All ids, in the order of `listHex`. */
  list(): Digest[]
  /** All ids as 64 hex digits, sorted. */
  listHex(): string[]
  /** All commits that can be read; damaged ones are passed over. */
  readable(): Generator<Commit, void, undefined>
}

export interface Commits extends CommitReader {
  /**
   * Stores the encoding of a commit durably, and returns its id; one that is
   * there stays as it is. Everything that it names is published before. Only
   * within `ObjectStore.publish`. Errors: those of `decodeCommit`, system errors.
   */
  put(bytes: Buffer): Digest
}

/** Commits, and what was cut out of their histories. */
export interface HistoryReader {
  readonly commits: CommitReader
  /** Where history goes on behind what was pruned. Errors: `CORRUPT_REPOSITORY`. */
  grafts(): Grafts
}

/** Objects that were written together and are not found yet. */
export interface WrittenPack {
  /** What the store keeps of them, compressed. */
  readonly lengthBytes: number
}

/**
 * Writes objects. What a writer found stored is not removed before it is
 * closed. Close it in any case. It belongs to one thread.
 */
export interface StoreWriter extends ObjectSink {
  /** What was added so far; `storedBytes` once it is finished. */
  readonly statistics: Readonly<WriterStatistics>
  /**
   * Makes durable what was added. Nobody finds it before it is published by the
   * store that the writer is of. Nothing is added afterwards.
   * Errors: `NO_SPACE`, system errors.
   */
  finish(): Promise<readonly WrittenPack[]>
  /** Drops what was not finished. May be called twice. */
  close(): Promise<void>
}

/** A store that is written to. */
export interface ObjectStore extends ObjectReader, HistoryReader {
  readonly commits: Commits

  /**
   * Starts writing objects. Several writers, of several processes too, may
   * write at the same time; while objects are removed this waits, and `onWait`
   * is called.
   */
  beginWrite(onWait?: OnWait): Promise<StoreWriter>

  /**
   * Publishes what a writer of this store finished: all of it is found, and
   * survives a power cut, before `work` is called, which writes commits and refs.
   * Whatever `work` reads is what others published: publications, of other
   * processes too, come one after the other. Returns what `work` returns; where
   * it throws, the objects stay published. Not to be called from `work`.
   */
  publish<T>(
    packs: readonly WrittenPack[],
    work: () => T | Promise<T>,
    onWait?: OnWait,
  ): Promise<T>

  /** Ends all use of this object; what was leased of it is no longer valid. */
  close(): void
}

/** A store that has all that it can be asked for. */
export interface LocalStore extends ObjectStore, LocalReader {
  has(digest: Digest): boolean
  lease: LocalReader['lease']
  readTree: LocalReader['readTree']
  loadTree: LocalReader['loadTree']
  loadExtents: LocalReader['loadExtents']
}
