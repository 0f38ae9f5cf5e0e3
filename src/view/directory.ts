/**
 * A directory as the server keeps it: the bytes of its tree and where each
 * entry stands in them, and the records of READDIRPLUS, encoded once.
 *
 * No object per entry: a directory takes what its encoding takes and some. Of
 * a large one only a window of records is kept.
 */

import type { RecordBlock } from '../fuse/handler.ts'
import { direntPlusBytes, writeDirentPlus } from '../fuse/reply.ts'
import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import type { Digest } from '../objects/digest.ts'
import { decodeFsObject } from '../objects/fs-object.ts'
import type { FsObject } from '../objects/fs-object.ts'
import { visitTree } from '../objects/tree.ts'
import { KIB } from '../units.ts'
import { attributesOf, DT_DIR, EXACT, FIRST_COOKIE } from './attributes.ts'
import type { Presentation } from './attributes.ts'
import { IdentityWriter, NAME_HEADER_BYTES } from './node-identity.ts'
import type { Identity } from './node-identity.ts'
import { KEY_WORDS } from './node-rows.ts'
import type { NodeKey } from './node-table.ts'

/** Entries whose records are encoded at once, and all that are kept. */
const WINDOW_ENTRIES = 1024
const MAX_NAME_BYTES = 255
/** About what the object, its arrays and their headers take. */
const OWN_BYTES = 1500
/** The same for an entry's record. */
const RECORD_BYTES = 200

/** Where the ends of entries are collected; as `scratch`, one for all. */
let endsScratch = new Uint32Array(1024)
const MAX_SCRATCH_ENDS = 1 << 16

/** Records of entries [first, first + count), for directories of one path. */
export interface Records extends RecordBlock {
  readonly first: number
  readonly count: number
  /** Four words an entry: what its node is found by. */
  readonly keys: Uint32Array
  /** Types as in a dirent. */
  readonly types: Uint8Array
}

export class Directory {
  readonly tree: Digest
  readonly count: number
  /** The identity of the tree, as the node table takes it. */
  readonly treeId: Uint8Array
  readonly #presentation: Presentation
  readonly #bytes: Buffer
  /** The object of entry i ends at [i + 1], and the name of it begins at [i]. */
  readonly #ends: Uint32Array
  #records: Records | undefined
  #recordsPath: NodeKey | undefined

  private constructor(
    tree: Digest,
    bytes: Buffer,
    ends: Uint32Array,
    presentation: Presentation,
  ) {
    this.#presentation = presentation
    this.tree = tree
    this.treeId = Buffer.from(tree, 'latin1')
    this.#bytes = bytes
    this.#ends = ends
    this.count = ends.length - 1
  }

  /**
   * Checks and keeps `bytes`, the encoding of `tree`, which nobody may change.
   * With `path` the records are encoded in the same pass. Records show the
   * entries as `presentation` says. Errors: `CORRUPT_OBJECT`.
   */
  static decode(
    tree: Digest,
    bytes: Buffer,
    path?: NodeKey,
    presentation: Presentation = EXACT,
  ): Directory {
    let ends = endsScratch
    let count = 0
    let last = 0
    const encoder =
      path === undefined
        ? undefined
        : new RecordEncoder(path, bytes, presentation)
    visitTree(bytes, (name, object, begin, end) => {
      if (count + 1 >= ends.length) {
        const longer = new Uint32Array(ends.length * 2)
        longer.set(ends)
        ends = longer
        if (longer.length <= MAX_SCRATCH_ENDS) endsScratch = longer
      }
      const entryAt = begin - name.length - NAME_HEADER_BYTES
      if (count < WINDOW_ENTRIES)
        encoder?.add(count, name, object, entryAt, end)
      ends[count++] = entryAt
      last = end
    })
    ends[count] = last
    const directory = new Directory(
      tree,
      bytes,
      ends.slice(0, count + 1),
      presentation,
    )
    if (encoder !== undefined) directory.#keep(encoder, 0)
    return directory
  }

  /** What it takes in memory, about. */
  get sizeBytes(): number {
    const window = Math.min(this.count, WINDOW_ENTRIES)
    const { length } = this.#bytes
    return OWN_BYTES + length + this.#ends.byteLength + window * RECORD_BYTES
  }

  name(index: number): string {
    const begin = this.#nameAt(index)
    return this.#bytes.toString('latin1', begin, begin + this.#nameBytes(index))
  }

  object(index: number): FsObject {
    const begin = this.#objectAt(index)
    const end = this.#ends[index + 1] as number
    return decodeFsObject(new MsgpackReader(this.#bytes, 'tree', begin, end))
  }

  /**
   * What an entry is found by, and its inode number, in the directory whose
   * path has the key `path`; `object` is the one of the entry.
   */
  identity(index: number, object: FsObject, path: NodeKey): Identity {
    const key = new Uint32Array(KEY_WORDS)
    const begin = this.#ends[index] as number
    const end = this.#ends[index + 1] as number
    const writer = new IdentityWriter(path, this.#bytes)
    return { key, inode: writer.write(object, begin, end, key) }
  }

  /** Index of the entry called `name`, or -1. */
  indexOf(name: string): number {
    let low = 0
    let high = this.count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const order = this.#compareName(middle, name)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  /**
   * The records from about entry `index` on, of the directory whose path has
   * the key `path`.
   */
  records(index: number, path: NodeKey): Records {
    const known = this.#records
    const isKnown =
      known !== undefined &&
      this.#recordsPath !== undefined &&
      index >= known.first &&
      index < known.first + known.count &&
      isSameKey(this.#recordsPath, path)
    if (isKnown) return known
    const first = this.count <= WINDOW_ENTRIES ? 0 : index
    const last = Math.min(first + WINDOW_ENTRIES, this.count)
    const encoder = new RecordEncoder(path, this.#bytes, this.#presentation)
    for (let i = first; i < last; i++)
      encoder.add(
        i,
        this.name(i),
        this.object(i),
        this.#ends[i] as number,
        this.#ends[i + 1] as number,
      )
    return this.#keep(encoder, first)
  }

  #keep(encoder: RecordEncoder, first: number): Records {
    this.#recordsPath = encoder.path
    this.#records = encoder.finish(first)
    return this.#records
  }

  #nameBytes(index: number): number {
    return this.#bytes[(this.#ends[index] as number) + 1] as number
  }

  #nameAt(index: number): number {
    return (this.#ends[index] as number) + NAME_HEADER_BYTES
  }

  #objectAt(index: number): number {
    return this.#nameAt(index) + this.#nameBytes(index)
  }

  /** Byte order of the name of entry `index` and `name`. */
  #compareName(index: number, name: string): number {
    const bytes = this.#bytes
    const at = this.#nameAt(index)
    const length = this.#nameBytes(index)
    const common = Math.min(length, name.length, MAX_NAME_BYTES)
    for (let i = 0; i < common; i++) {
      const difference = (bytes[at + i] as number) - name.charCodeAt(i)
      if (difference !== 0) return difference
    }
    return length - name.length
  }
}

/**
 * Where records are encoded before they are copied to their exact size. One
 * for all: encoding never waits.
 */
const scratch = {
  bytes: Buffer.allocUnsafeSlow(64 * KIB),
  ends: new Uint32Array(WINDOW_ENTRIES),
  keys: new Uint32Array(WINDOW_ENTRIES * KEY_WORDS),
  types: new Uint8Array(WINDOW_ENTRIES),
}

/** Encodes up to `WINDOW_ENTRIES` records of a directory, one after another. */
class RecordEncoder {
  readonly #identities: IdentityWriter
  readonly #presentation: Presentation
  #at = 0
  #count = 0

  constructor(path: NodeKey, tree: Buffer, presentation: Presentation) {
    this.#presentation = presentation
    this.#identities = new IdentityWriter(path, tree)
  }

  get path(): NodeKey {
    return this.#identities.path
  }

  /** Adds entry `index` of the directory, encoded from `begin` to `end`. */
  add(
    index: number,
    name: string,
    object: FsObject,
    begin: number,
    end: number,
  ): void {
    const { ends, keys, types } = scratch
    const i = this.#count++
    const at = i * KEY_WORDS
    const inode = this.#identities.write(object, begin, end, keys, at)
    types[i] = object.mode >>> 12
    const cookie = index + FIRST_COOKIE + 1
    const attributes = attributesOf(object, inode, this.#presentation)
    this.#reserve(direntPlusBytes(name.length))
    this.#at = writeDirentPlus(
      scratch.bytes,
      this.#at,
      name,
      cookie,
      attributes,
    )
    ends[i] = this.#at
  }

  /** The records, in one piece of memory of their own. */
  finish(first: number): Records {
    const count = this.#count
    const keysAt = count * 4
    const typesAt = keysAt + count * KEY_WORDS * 4
    const bytesAt = typesAt + count
    const memory = new ArrayBuffer(bytesAt + this.#at)
    const ends = new Uint32Array(memory, 0, count)
    const keys = new Uint32Array(memory, keysAt, count * KEY_WORDS)
    const types = new Uint8Array(memory, typesAt, count)
    const bytes = Buffer.from(memory, bytesAt, this.#at)
    ends.set(scratch.ends.subarray(0, count))
    keys.set(scratch.keys.subarray(0, count * KEY_WORDS))
    types.set(scratch.types.subarray(0, count))
    scratch.bytes.copy(bytes, 0, 0, this.#at)
    return { first, count, bytes, ends, keys, types }
  }

  #reserve(length: number): void {
    if (this.#at + length <= scratch.bytes.length) return
    const longer = Buffer.allocUnsafeSlow((this.#at + length) * 2)
    scratch.bytes.copy(longer, 0, 0, this.#at)
    scratch.bytes = longer
  }
}

/** Whether entry `index` of the records is a directory. */
export const isDirectoryRecord = (records: Records, index: number): boolean =>
  records.types[index] === DT_DIR

const isSameKey = (a: NodeKey, b: NodeKey): boolean =>
  a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3]
