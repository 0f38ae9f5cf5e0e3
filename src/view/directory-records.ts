/**
 * The records of READDIRPLUS of a directory, encoded once: all but the node
 * ids, and what a node is found by. Of a large directory only a window is kept.
 */

import type { RecordBlock } from '../fuse/handler.ts'
import { RecordWriter } from '../fuse/records.ts'
import type { FsObject } from '../objects/fs-object.ts'
import { KIB } from '../units.ts'
import { attributesOf, DT_DIR, FIRST_COOKIE } from './attributes.ts'
import type { Presentation } from './attributes.ts'
import { IdentityWriter } from './node-identity.ts'
import { KEY_WORDS } from './node-rows.ts'
import type { NodeKey } from './node-kind.ts'

/** Entries whose records are encoded at once, and all that are kept. */
export const WINDOW_ENTRIES = 1024

/** Records of entries [first, first + count), for directories of one path. */
export interface Records extends RecordBlock {
  readonly first: number
  readonly count: number
  /** Four words an entry: what its node is found by. */
  readonly keys: Uint32Array
  /** Types as in a dirent. */
  readonly types: Uint8Array
}

/**
 * Where records are encoded before they are copied to their exact size. One
 * for all: encoding never waits.
 */
const scratch = {
  records: new RecordWriter(64 * KIB),
  ends: new Uint32Array(WINDOW_ENTRIES),
  keys: new Uint32Array(WINDOW_ENTRIES * KEY_WORDS),
  types: new Uint8Array(WINDOW_ENTRIES),
}

/** Encodes up to `WINDOW_ENTRIES` records of a directory, one after another. */
export class RecordEncoder {
  readonly #identities: IdentityWriter
  readonly #presentation: Presentation
  readonly #first: number
  #count = 0

  /**
   * Of the directory that `tree` is the encoding of, and whose path key is
   * `path`, from entry `first` on.
   */
  constructor(
    path: NodeKey,
    tree: Buffer,
    presentation: Presentation,
    first: number,
  ) {
    this.#presentation = presentation
    this.#first = first
    this.#identities = new IdentityWriter(path, tree, scratch.keys)
    scratch.records.reset()
  }

  get path(): NodeKey {
    return this.#identities.path
  }

  /** Adds the next entry, encoded from `begin` to `end`. */
  add(name: string, object: FsObject, begin: number, end: number): void {
    const { records, ends, types } = scratch
    const i = this.#count++
    const inode = this.#identities.write(object, begin, end, i * KEY_WORDS)
    types[i] = object.mode >>> 12
    const cookie = this.#first + i + FIRST_COOKIE + 1
    const attributes = attributesOf(object, inode, this.#presentation)
    ends[i] = records.add(name, cookie, attributes)
  }

  /** The records, in one piece of memory of their own. */
  finish(): Records {
    const { records } = scratch
    const count = this.#count
    const keysAt = count * 4
    const typesAt = keysAt + count * KEY_WORDS * 4
    const bytesAt = typesAt + count
    const memory = new ArrayBuffer(bytesAt + records.lengthBytes)
    const ends = new Uint32Array(memory, 0, count)
    const keys = new Uint32Array(memory, keysAt, count * KEY_WORDS)
    const types = new Uint8Array(memory, typesAt, count)
    const bytes = Buffer.from(memory, bytesAt, records.lengthBytes)
    ends.set(scratch.ends.subarray(0, count))
    keys.set(scratch.keys.subarray(0, count * KEY_WORDS))
    types.set(scratch.types.subarray(0, count))
    records.copyTo(bytes)
    return { first: this.#first, count, bytes, ends, keys, types }
  }
}

/** Whether entry `index` of the records is a directory. */
export const isDirectoryRecord = (records: Records, index: number): boolean =>
  records.types[index] === DT_DIR
