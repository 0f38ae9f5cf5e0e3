/**
 * What a node is found by, and the inode number it gets.
 *
 * Everything comes from the object and, for a directory, its path inside the
 * commit: never from the commit. Then equal subtrees of two commits have equal
 * `st_ino`, and `diff -r` skips them without asking.
 */

import { blake3 } from '../objects/blake3.ts'
import type { Digest } from '../objects/digest.ts'
import type { NodeKey } from './node-table.ts'

const PATH_KEY_BYTES = 16
const scratch = Buffer.alloc(PATH_KEY_BYTES + 256)

/** The path key of a commit's root. */
export const ROOT_PATH_KEY: NodeKey = new Uint32Array(4)

/** The key of `name` below a directory with `parent` as its path key. */
export const childPathKey = (parent: NodeKey, name: string): NodeKey => {
  writeKey(parent)
  scratch.write(name, PATH_KEY_BYTES, name.length, 'latin1')
  return keyOf(blake3(scratch.subarray(0, PATH_KEY_BYTES + name.length)))
}

/** The key of a file object, a commit or the view's own names: of any digest. */
export const digestKey = (digest: Digest): NodeKey => keyOf(digest)

/** Word `index` of a hash in latin1, little-endian. */
const wordOf = (hash: string, index: number): number =>
  (hash.charCodeAt(index * 4) |
    (hash.charCodeAt(index * 4 + 1) << 8) |
    (hash.charCodeAt(index * 4 + 2) << 16) |
    (hash.charCodeAt(index * 4 + 3) << 24)) >>>
  0

const keyOf = (hash: string): NodeKey => {
  const key = new Uint32Array(4)
  for (let i = 0; i < 4; i++) key[i] = wordOf(hash, i)
  return key
}

const writeKey = (key: NodeKey): void => {
  for (let i = 0; i < 4; i++) scratch.writeUInt32LE(key[i] as number, i * 4)
}

export interface InodeNumber {
  readonly inoHigh: number
  readonly inoLow: number
}

const inodeNumber = (high: number, low: number): InodeNumber =>
  // 0 means "no inode" to readdir(3) and 1 is the view's root.
  high === 0 && low < 2
    ? { inoHigh: 0, inoLow: low + 2 }
    : { inoHigh: high, inoLow: low }

/**
 * The inode number of what is not a directory: a function of its object, whose
 * key stands in `key` from `at` on.
 */
export const objectInode = (key: NodeKey, at = 0): InodeNumber =>
  inodeNumber(key[at + 1] as number, key[at] as number)

/** The inode number of a directory: a function of its path and its object. */
export const directoryInode = (
  pathKey: NodeKey,
  object: Digest,
): InodeNumber => {
  writeKey(pathKey)
  scratch.write(object, PATH_KEY_BYTES, object.length, 'latin1')
  const hash = blake3(scratch.subarray(0, PATH_KEY_BYTES + object.length))
  return inodeNumber(wordOf(hash, 1), wordOf(hash, 0))
}
