/**
 * A tree: the sorted entries of one directory, each a name and a file object.
 *
 * The file objects stand in the tree itself, so that one tree answers a whole
 * `ls -l` (docs/decisions/inline-file-objects.md). Entries ascend by raw name
 * bytes and no two names are equal; anything else is refused, so two trees are
 * equal exactly when their bytes are.
 * Errors: `CORRUPT_OBJECT`. Format: docs/formats/tree.md
 */

import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { digestOf } from './digest.ts'
import type { Digest } from './digest.ts'
import { decodeFsObject, encodeFsObject } from './fs-object.ts'
import type { FsObject } from './fs-object.ts'
import {
  beyondLimit,
  MAX_NAME_BYTES,
  MAX_OBJECT_BYTES,
  MAX_TREE_ENTRIES,
} from './limits.ts'
import { explainBadName } from './name.ts'

export interface TreeEntry {
  /** Raw bytes as latin1 text. */
  readonly name: string
  readonly object: FsObject
}

const TAG = 'tree'

/**
 * Encodes entries that are sorted by name. Valid until the next use of
 * `writer`. Errors: `LIMIT_EXCEEDED`; RangeError when they are not sorted.
 */
export const encodeTree = (
  entries: readonly TreeEntry[],
  writer: MsgpackWriter = new MsgpackWriter(),
): Buffer => {
  writer.reset()
  checkTreeEntries(entries.length)
  writer.array(1 + entries.length * 2)
  writer.text(TAG)
  let previous = ''
  for (const { name, object } of entries) {
    const bad = explainBadName(name)
    if (bad !== undefined) throw new RangeError(bad)
    if (name <= previous)
      throw new RangeError(`tree entries not sorted at '${name}'`)
    writer.binary(name)
    encodeFsObject(writer, object)
    checkTreeBytes(writer.lengthBytes)
    previous = name
  }
  return writer.view(0)
}

/** Errors: `LIMIT_EXCEEDED`. */
export const checkTreeEntries = (count: number): void => {
  if (count > MAX_TREE_ENTRIES)
    throw beyondLimit(`the directory has ${count} entries`, MAX_TREE_ENTRIES)
}

/** `bytes` is what a directory takes, or a part of it. Errors: `LIMIT_EXCEEDED`. */
export const checkTreeBytes = (bytes: number): void => {
  if (bytes > MAX_OBJECT_BYTES)
    throw beyondLimit(
      `names, xattrs and extents of the directory take ${bytes} bytes`,
      MAX_OBJECT_BYTES,
    )
}

/**
 * Reads a tree entry by entry and keeps none. Refuses what `encodeTree` would
 * not have written; what comes before the damage was told.
 * Errors: `CORRUPT_OBJECT`.
 */
export class TreeReader {
  /** Entries of the tree. */
  readonly count: number
  /** The entry that `next` came to; its object is encoded at [begin, end). */
  name = ''
  object: FsObject | undefined
  begin = 0
  end = 0
  readonly #reader: MsgpackReader
  #done = 0

  constructor(bytes: Uint8Array) {
    const reader = new MsgpackReader(bytes, 'tree')
    const elements = reader.array(1 + MAX_TREE_ENTRIES * 2)
    if (elements % 2 !== 1 || reader.text(16) !== TAG)
      throw reader.corrupt('not a tree')
    this.count = (elements - 1) / 2
    this.#reader = reader
  }

  /** Goes to the next entry and returns its object; undefined at the end. */
  next(): FsObject | undefined {
    const reader = this.#reader
    if (this.#done === this.count) {
      reader.expectEnd()
      return undefined
    }
    const name = reader.binary(MAX_NAME_BYTES)
    const bad = explainBadName(name)
    if (bad !== undefined) throw reader.corrupt(bad)
    if (name <= this.name)
      throw reader.corrupt('names not sorted or not unique')
    this.name = name
    this.begin = reader.offsetBytes
    this.object = decodeFsObject(reader)
    this.end = reader.offsetBytes
    this.#done++
    return this.object
  }
}

/**
 * Decodes a tree entry by entry, as `TreeReader`: `visit` is told where each
 * object is encoded. Returns the number of entries.
 */
export const visitTree = (
  bytes: Uint8Array,
  visit: (name: string, object: FsObject, begin: number, end: number) => void,
): number => {
  const reader = new TreeReader(bytes)
  for (let object = reader.next(); object !== undefined; object = reader.next())
    visit(reader.name, object, reader.begin, reader.end)
  return reader.count
}

/** A decoded directory. Keeps the bytes it was made from. */
export class Tree {
  readonly entries: readonly TreeEntry[]
  readonly lengthBytes: number
  readonly #bytes: Uint8Array
  /** Entry i is encoded at [spans[2i], spans[2i+1]). */
  readonly #spans: Uint32Array
  readonly #digests: (Digest | undefined)[] = []

  private constructor(
    bytes: Uint8Array,
    entries: readonly TreeEntry[],
    spans: Uint32Array,
  ) {
    this.#bytes = bytes
    this.entries = entries
    this.#spans = spans
    this.lengthBytes = bytes.length
  }

  /** Decodes `bytes`, which the tree keeps and nobody may change. */
  static decode(bytes: Uint8Array): Tree {
    const entries: TreeEntry[] = []
    const spans: number[] = []
    visitTree(bytes, (name, object, begin, end) => {
      entries.push({ name, object })
      spans.push(begin, end)
    })
    return new Tree(bytes, entries, Uint32Array.from(spans))
  }

  /** Index of the entry called `name`, or -1. */
  indexOf(name: string): number {
    let low = 0
    let high = this.entries.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const candidate = (this.entries[middle] as TreeEntry).name
      if (candidate === name) return middle
      if (candidate < name) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  /** The entry called `name`, or undefined. */
  get(name: string): TreeEntry | undefined {
    return this.entries[this.indexOf(name)]
  }

  /** Whether the object of entry `index` is that of an entry of another tree. */
  isSameObject(index: number, other: Tree, otherIndex: number): boolean {
    const [begin, end] = this.#span(index)
    const [otherBegin, otherEnd] = other.#span(otherIndex)
    if (end - begin !== otherEnd - otherBegin) return false
    const bytes = this.#bytes
    const otherBytes = other.#bytes
    for (let i = 0; i < end - begin; i++)
      if (bytes[begin + i] !== otherBytes[otherBegin + i]) return false
    return true
  }

  #span(index: number): [number, number] {
    const spans = this.#spans
    return [spans[index * 2] as number, spans[index * 2 + 1] as number]
  }

  /** Identity of the file object of entry `index`; computed once. */
  objectDigest(index: number): Digest {
    const known = this.#digests[index]
    if (known !== undefined) return known
    const digest = digestOf(this.#bytes.subarray(...this.#span(index)))
    this.#digests[index] = digest
    return digest
  }
}
