/** The trees and extent lists that were decoded last, bounded by bytes. */

import { DendroError } from '../errors.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import {
  countDataBytes,
  decodeExtentList,
  extentsLength,
} from '../objects/extents.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import { Tree } from '../objects/tree.ts'
import { MIB } from '../units.ts'
import { ByteCache } from './byte-cache.ts'
import type { ExtentLoader, TreeLoader } from './object-reader.ts'

/** A decoded extent list, with its encoded length and what it adds up to. */
interface KnownExtents {
  readonly list: Extent[]
  readonly bytes: number
  readonly sizeBytes: number
  readonly dataBytes: number
}

/** A decoded tree takes about this many times its encoding. */
const TREE_OVERHEAD = 5
const EXTENT_LIST_OVERHEAD = 3
const EXTENT_CACHE_BYTES = 16 * MIB

/** Where encodings come from. */
export interface Encodings {
  /** The bytes of an object in memory of their own. */
  copy(digest: Digest): Buffer
  /** The bytes of an object, looked at before the next call. */
  peek(digest: Digest): Buffer
}

export class DecodedObjects implements TreeLoader, ExtentLoader {
  readonly #encodings: Encodings
  readonly #trees: ByteCache<Tree>
  readonly #extents: ByteCache<KnownExtents>

  /** `treeCacheBytes`: of decoded trees kept, estimated. */
  constructor(encodings: Encodings, treeCacheBytes: number) {
    this.#encodings = encodings
    this.#trees = new ByteCache(
      treeCacheBytes,
      tree => 256 + tree.lengthBytes * TREE_OVERHEAD,
    )
    this.#extents = new ByteCache(
      EXTENT_CACHE_BYTES,
      ({ bytes }) => 64 + bytes * EXTENT_LIST_OVERHEAD,
    )
  }

  loadTree(digest: Digest): Tree {
    const known = this.#trees.get(digest)
    if (known !== undefined) return known
    const tree = Tree.decode(this.#encodings.copy(digest))
    this.#trees.set(digest, tree)
    return tree
  }

  loadExtents(file: FileObject): readonly Extent[] {
    if (typeof file.content !== 'string') return file.content
    const digest = file.content
    const known = this.#list(digest)
    if (
      known.sizeBytes !== file.sizeBytes ||
      known.dataBytes !== file.dataBytes
    )
      throw new DendroError(
        'CORRUPT_OBJECT',
        `damaged file object: it says ${file.sizeBytes} bytes, its extent list ${digestToHex(digest)} ${known.sizeBytes}`,
        { hint: 'dendro fsck tells what it touches', data: { digest } },
      )
    return known.list
  }

  #list(digest: Digest): KnownExtents {
    const known = this.#extents.get(digest)
    if (known !== undefined) return known
    const bytes = this.#encodings.peek(digest)
    const list = decodeExtentList(bytes)
    const decoded = {
      list,
      bytes: bytes.length,
      sizeBytes: extentsLength(list),
      dataBytes: countDataBytes(list),
    }
    this.#extents.set(digest, decoded)
    return decoded
  }
}
