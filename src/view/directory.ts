/**
 * A directory as the server keeps it: the bytes of its tree and where each
 * entry stands in them, and the records of READDIRPLUS, encoded once.
 *
 * No object per entry: a directory takes what its encoding takes and some. Of
 * a large one only a window of records is kept.
 */

import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import type { Digest } from '../objects/digest.ts'
import { decodeFsObject } from '../objects/fs-object.ts'
import type { FsObject } from '../objects/fs-object.ts'
import { visitTree } from '../objects/tree.ts'
import { EXACT } from './attributes.ts'
import type { Presentation } from './attributes.ts'
import { RecordEncoder, WINDOW_ENTRIES } from './directory-records.ts'
import type { Records } from './directory-records.ts'
import { IdentityWriter, NAME_HEADER_BYTES } from './node-identity.ts'
import type { Identity } from './node-identity.ts'
import { KEY_WORDS } from './node-rows.ts'
import type { NodeKey } from './node-kind.ts'

const MAX_NAME_BYTES = 255
/** About what the object, its arrays and their headers take. */
const OWN_BYTES = 1500
/** The same for an entry's record. */
const RECORD_BYTES = 200

/** Where the ends of entries are collected; as `scratch`, one for all. */
let endsScratch = new Uint32Array(1024)
const MAX_SCRATCH_ENDS = 1 << 16

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
        : new RecordEncoder(path, bytes, presentation, 0)
    visitTree(bytes, (name, object, begin, end) => {
      if (count + 1 >= ends.length) {
        const longer = new Uint32Array(ends.length * 2)
        longer.set(ends)
        ends = longer
        if (longer.length <= MAX_SCRATCH_ENDS) endsScratch = longer
      }
      const entryAt = begin - name.length - NAME_HEADER_BYTES
      if (count < WINDOW_ENTRIES) encoder?.add(name, object, entryAt, end)
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
    if (encoder !== undefined) directory.#keep(encoder)
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
    const writer = new IdentityWriter(path, this.#bytes, key)
    return { key, inode: writer.write(object, begin, end, 0) }
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
    const encoder = new RecordEncoder(
      path,
      this.#bytes,
      this.#presentation,
      first,
    )
    for (let i = first; i < last; i++) {
      const begin = this.#ends[i] as number
      const end = this.#ends[i + 1] as number
      encoder.add(this.name(i), this.object(i), begin, end)
    }
    return this.#keep(encoder)
  }

  #keep(encoder: RecordEncoder): Records {
    this.#recordsPath = encoder.path
    this.#records = encoder.finish()
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

const isSameKey = (a: NodeKey, b: NodeKey): boolean =>
  a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3]
