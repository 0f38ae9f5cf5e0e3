/**
 * What a store of objects promises to those who read it.
 *
 * An object has one name, its digest, and never changes. A store may lack what
 * it is asked for and have to fetch it: so an answer is there at once, or is a
 * promise. Who cannot wait takes the interfaces whose answers are at once
 * (`LocalReader` and its parts). docs/decisions/store-contract.md
 *
 * Errors of whatever reads, thrown or the reason of a rejected promise:
 * `MISSING_OBJECT` (no store that was asked has it), `CORRUPT_PACK`,
 * `CORRUPT_INDEX`, `CORRUPT_OBJECT` (damage, wherever it was met), and system
 * errors. Bytes that do not have the digest are never given.
 */

import type { Digest } from '../objects/digest.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { Tree } from '../objects/tree.ts'

/** Known at once, or as soon as the store has it. */
export type Answer<T> = T | Promise<T>

/** What a reader is about to do besides, so that a store can be ahead of it. */
export interface ReadIntent {
  /**
   * The objects that were stored behind this one are likely to be read next:
   * the content of a file or of several. They may be prepared meanwhile.
   */
  readonly isSequential: boolean
  readonly maxWaitMs?: undefined
}

/** Of somebody who has other things to do while an object is prepared. */
export interface PatientIntent extends Pick<ReadIntent, 'isSequential'> {
  /**
   * So many milliseconds (fractions too) the call may sleep for an object that
   * another thread of this process prepares just now; then it is answered with
   * undefined, and may be asked again.
   */
  readonly maxWaitMs: number
}

/** One object, after which nobody knows what is read. */
export const SINGLE: ReadIntent = { isSequential: false }

/** Content, in the order in which it was stored. */
export const SEQUENTIAL: ReadIntent = { isSequential: true }

/**
 * The reads of somebody, up to where the bytes are no longer looked at.
 *
 * What `read` gives belongs to the store. It is valid until `end`, and nobody
 * may change it. Behind `end` a store may use the memory for something else,
 * without a word: a lease that is ended too early shows as wrong bytes. One
 * that is never ended costs a store that reuses memory the reuse, nothing else.
 *
 * A lease belongs to one thread, and is used by one reader at a time; any number
 * of leases of a store may be in use beside each other.
 */
export interface ReadLease {
  /** The store that is read. */
  readonly reader: ObjectReader

  /**
   * The bytes of an object: at once where the store has it, else a promise of
   * them. The lease may be read through again before the promise is settled.
   * Undefined only for a patient reader: the object is about to be there.
   */
  read(digest: Digest, intent?: ReadIntent): Answer<Buffer>
  read(digest: Digest, intent: PatientIntent): Answer<Buffer> | undefined

  /**
   * Nobody looks any more at what was read through this lease, and nobody waits
   * for any of it. It may be read through again: that begins anew. May be
   * called twice. Never throws.
   */
  end(): void
}

/**
 * Objects by digest. All of it may be called at any time, also while earlier
 * answers are awaited.
 */
export interface ObjectReader {
  /**
   * Whether the object can be read here without a fetch from elsewhere. Its
   * bytes are not looked at: they may turn out damaged.
   */
  has(digest: Digest): Answer<boolean>

  /**
   * A lease, to read without a copy. Cheap, but who reads often makes one and
   * keeps it.
   */
  lease(): ReadLease

  /** The encoding of a directory, in memory of its own: it may be kept. */
  readTree(digest: Digest): Answer<Buffer>

  /** A directory, which may be shared with others and is never changed. */
  loadTree(digest: Digest): Answer<Tree>

  /**
   * The extents of a file in order, from offset 0 to its size, wherever they are
   * stored. Shared with others and never changed.
   * Errors besides: `CORRUPT_OBJECT` where they do not add up to what `file` says.
   */
  loadExtents(file: FileObject): Answer<readonly Extent[]>
}

/** Directories, at once. */
export interface TreeLoader {
  loadTree(digest: Digest): Tree
}

/** Where the content of files stands, at once. */
export interface ExtentLoader {
  loadExtents(file: FileObject): readonly Extent[]
}

/** A lease whose answers are at once. */
export interface LocalLease extends ReadLease {
  readonly reader: LocalReader
  read(digest: Digest, intent?: ReadIntent): Buffer
  read(digest: Digest, intent: PatientIntent): Buffer | undefined
}

/** Who has a lease to give whose answers are at once. */
export interface LocalLeases {
  lease(): LocalLease
}

/**
 * A reader that has all that it can be asked for, so its answers are at once.
 * A store that fetches metadata before it shows a commit is one for trees and
 * extents (`TreeLoader`, `ExtentLoader`), and a plain `ObjectReader` for content.
 */
export interface LocalReader
  extends ObjectReader, TreeLoader, ExtentLoader, LocalLeases {
  has(digest: Digest): boolean
  lease(): LocalLease
  readTree(digest: Digest): Buffer
  loadTree(digest: Digest): Tree
  loadExtents(file: FileObject): readonly Extent[]
}

/** What the metadata of a commit is read with. */
export type MetadataReader = TreeLoader & ExtentLoader

/** What the content of a file is read with. */
export type ContentReader = ExtentLoader & LocalLeases

/** What a file is looked up and read with. */
export type FileReader = TreeLoader & ContentReader
