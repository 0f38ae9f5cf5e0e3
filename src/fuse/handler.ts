/**
 * What a served filesystem must answer. Both transports call it.
 *
 * Node ids are positive integers below 2^53; names and link targets are
 * latin1 text. An answer that is an errno is thrown as `FuseErrno`; anything
 * else that is thrown becomes an errno in one place (server/errno.ts).
 */

import type { Steps } from '../steps.ts'

/** What stat tells. ctime and atime are the mtime. */
export interface Attributes {
  readonly inoHigh: number
  readonly inoLow: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly sizeBytes: number
  /** Units of 512 bytes. */
  readonly blocks: number
  readonly mtimeSec: number
  readonly mtimeNsec: number
  readonly rdevMajor: number
  readonly rdevMinor: number
}

/** What a listing without attributes tells of an entry. */
export type Listed = Pick<Attributes, 'inoHigh' | 'inoLow' | 'mode'>

export interface Entry {
  readonly nodeId: number
  readonly generation: number
  readonly attributes: Attributes
}

/** Part of a buffer that the transport reads before it asks for anything else. */
export interface Slice {
  readonly bytes: Buffer
  readonly begin: number
  readonly lengthBytes: number
}

/**
 * Records of READDIRPLUS, one behind the other, encoded but for node id and
 * generation.
 */
export interface RecordBlock {
  readonly bytes: Buffer
  /** Where each record ends. */
  readonly ends: Uint32Array
}

/** Gives the node ids that a block of records lacks. */
export interface RecordIdentities {
  /** The node of record `index`; counts a lookup. */
  acquire(index: number): number
  generationOf(nodeId: number): number
}

/** Receives directory entries until it is full. */
export interface DirectorySink {
  /**
   * Adds an entry; false when it does not fit. `cookie` is where reading goes
   * on behind it. `resolve` is called only when the entry fits and attributes
   * are wanted; it counts as a lookup. Without it the entry has none.
   */
  add(
    name: string,
    cookie: number,
    listed: Listed,
    resolve?: () => Entry,
  ): boolean
  /**
   * Adds records from `first` on, as many as fit; returns how many. Absent, or
   * undefined, where records of this form are not wanted: `add` each then.
   */
  addRecords?(
    block: RecordBlock,
    first: number,
    identities: RecordIdentities,
  ): number | undefined
}

export interface FileSystemStatistics {
  readonly blocks: number
  readonly files: number
}

export interface FuseHandler {
  /** Undefined: there is no such name, now and for ever. Counts a lookup. */
  lookup(parent: number, name: string): Entry | undefined
  getattr(nodeId: number): Attributes
  readlink(nodeId: number): Buffer
  /**
   * Together as long as asked for, or up to the end of the file. Between two
   * steps anything may be asked but another read.
   */
  read(
    nodeId: number,
    offset: number,
    lengthBytes: number,
  ): Steps<readonly Slice[]>
  /**
   * Where data, or a hole, begins in a file: at `offset`, or behind it. The end
   * of the file is a hole. ENXIO: not before the end, or there is no more data.
   */
  seek(nodeId: number, offset: number, what: 'data' | 'hole'): number
  readdir(nodeId: number, cookie: number, sink: DirectorySink): void
  /** Undefined: no such attribute. */
  getxattr(nodeId: number, name: string): Buffer | undefined
  /** NUL-terminated names. */
  listxattr(nodeId: number): Buffer
  statfs(): FileSystemStatistics
  forget(nodeId: number, count: number): void
  /**
   * What follows from the answers that have left: the kernel knows the nodes in
   * them now. Between two steps anything may be asked but a read.
   */
  followUp?(): Steps<void> | undefined
  /**
   * Called while no request waits: does a little of what may be asked next.
   * False: there is nothing left to do.
   */
  readonly idle?: (() => boolean) | undefined
}

/**
 * An errno as an answer. One object for each: systemd alone asks thousands of
 * times for what is not there, and to write down a stack takes longer than to
 * answer.
 */
export class FuseErrno extends Error {
  static readonly #known = new Map<number, FuseErrno>()
  readonly errno: number

  private constructor(errno: number) {
    super(`errno ${errno}`)
    this.errno = errno
  }

  static of(errno: number): FuseErrno {
    let known = FuseErrno.#known.get(errno)
    if (known === undefined)
      FuseErrno.#known.set(errno, (known = new FuseErrno(errno)))
    return known
  }
}
