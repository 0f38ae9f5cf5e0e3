/**
 * What a node is found by, and the inode number it gets.
 *
 * Both are functions of an entry's path inside its commit and of its object,
 * and of nothing else; where the commit says that names are hard links, of
 * their object alone, which says so. So two equal files of one commit are two
 * inodes, while a path at which two commits have the same is one inode in
 * both: its pages are read once, and `diff -r` skips equal directories without
 * asking. docs/fuse.md, "One superblock"
 */

import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { blake3Words } from '../objects/blake3.ts'
import type { Digest } from '../objects/digest.ts'
import { encodeFsObject } from '../objects/fs-object.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import { KIB } from '../units.ts'
import { KEY_WORDS } from './node-rows.ts'
import type { NodeKey } from './node-kind.ts'

const INODE_WORDS = 2
const PATH_KEY_BYTES = KEY_WORDS * 4
/** In a tree, a tag and a length stand before the bytes of a name. */
export const NAME_HEADER_BYTES = 2

/** Larger entries have thousands of extents or xattrs. */
const SCRATCH_BYTES = 64 * KIB
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
const inodeWords = new Uint32Array(INODE_WORDS)
/** The path key of the directory whose identity is being told. */
const ownPath = new Uint32Array(KEY_WORDS)
const encoder = new MsgpackWriter()

export interface InodeNumber {
  readonly inoHigh: number
  readonly inoLow: number
}

export interface Identity {
  readonly key: NodeKey
  readonly inode: InodeNumber
}

/** The path key of a commit's root. */
export const ROOT_PATH_KEY: NodeKey = new Uint32Array(KEY_WORDS)

/** The key of a commit, or of one of the view's own names: of any digest. */
export const digestKey = (digest: Digest): NodeKey => {
  const bytes = Buffer.from(digest, 'latin1')
  const key = new Uint32Array(KEY_WORDS)
  for (let i = 0; i < KEY_WORDS; i++) key[i] = bytes.readUInt32LE(i * 4)
  return key
}

/**
 * Tells the identities of entries of one directory.
 *
 * The key of a directory is its path key: a hash of the path key of the one
 * that it is in and its name. That of anything else is a hash of that path key
 * and of its entry, name and object as the tree has them; of hard links, a hash
 * of the root's path key and the object. The two never meet: an entry does not
 * begin as an object does.
 */
export class IdentityWriter {
  /** The path key of the directory. */
  readonly path: NodeKey
  readonly #tree: Buffer
  readonly #keys: Uint32Array

  /**
   * `tree` is the encoding of the directory whose path key is `path`; keys are
   * written to `keys`.
   */
  constructor(path: NodeKey, tree: Buffer, keys: Uint32Array) {
    this.path = path
    this.#tree = tree
    this.#keys = keys
  }

  /**
   * Writes the key of the entry that is encoded from `begin` to `end` and has
   * `object` into four words of the keys from `at` on; its inode number.
   */
  write(object: FsObject, begin: number, end: number, at: number): InodeNumber {
    const tree = this.#tree
    const keys = this.#keys
    const nameAt = begin + NAME_HEADER_BYTES
    const objectAt = nameAt + (tree[nameAt - 1] as number)
    if (object.kind === 'directory') {
      const named = under(this.path, tree, nameAt, objectAt)
      blake3Words(named, keys, at, KEY_WORDS)
      for (let i = 0; i < KEY_WORDS; i++) ownPath[i] = keys[at + i] as number
      return inodeUnder(ownPath, tree, objectAt, end)
    }
    const hashed =
      object.links === undefined
        ? under(this.path, tree, begin, end)
        : under(ROOT_PATH_KEY, tree, objectAt, end)
    blake3Words(hashed, keys, at, KEY_WORDS)
    return fileInode(keys, at)
  }
}

/** The inode number of what is no directory, whose key stands in `keys` at `at`. */
export const fileInode = (keys: Uint32Array, at = 0): InodeNumber =>
  inodeNumber(keys[at + 1] as number, keys[at] as number)

/** The inode number of a directory: a function of its path and its object. */
export const directoryInode = (
  path: NodeKey,
  object: DirectoryObject,
): InodeNumber => {
  encoder.reset()
  encodeFsObject(encoder, object)
  return inodeUnder(path, encoder.view(0), 0, encoder.lengthBytes)
}

/** An inode number from a path key and an encoded object. */
const inodeUnder = (
  path: NodeKey,
  bytes: Buffer,
  begin: number,
  end: number,
): InodeNumber => {
  const hashed = under(path, bytes, begin, end)
  blake3Words(hashed, inodeWords, 0, INODE_WORDS)
  return fileInode(inodeWords)
}

/** The same in 32 bits, as a kernel of 32 bits does it: not always unique. */
export const foldInode = ({ inoHigh, inoLow }: InodeNumber): InodeNumber =>
  inodeNumber(0, (inoHigh ^ inoLow) >>> 0)

const inodeNumber = (high: number, low: number): InodeNumber =>
  // 0 means "no inode" to readdir(3) and 1 is the view's root.
  high === 0 && low < 2
    ? { inoHigh: 0, inoLow: low + 2 }
    : { inoHigh: high, inoLow: low }

/**
 * A path key, and `bytes` from `begin` to `end` behind it; valid until the next
 * call.
 */
const under = (
  path: NodeKey,
  bytes: Buffer,
  begin: number,
  end: number,
): Buffer => {
  const length = PATH_KEY_BYTES + end - begin
  const whole = length <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafe(length)
  for (let i = 0; i < KEY_WORDS; i++)
    whole.writeUInt32LE(path[i] as number, i * 4)
  bytes.copy(whole, PATH_KEY_BYTES, begin, end)
  return whole.subarray(0, length)
}
