/**
 * An open repository: objects by digest, commits, and the way new ones are
 * published. Refs are a layer above (refs/).
 *
 * Readers never lock. Publication order: packs, then the index that names
 * them, then the commit, then the ref; each durable before the next.
 */

import { DendroError, isDamage } from '../errors.ts'
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
import { removeIfThere, writeAtomically } from '../system/durable-file.ts'
import { listEntries, tryReadPlain } from '../system/plain-file.ts'
import { acquireLock, tryLock } from '../system/lock.ts'
import type { FileLock, LockMode, OnWait } from '../system/lock.ts'
import { MIB } from '../units.ts'
import { ByteCache } from './byte-cache.ts'
import { CommitStore } from './commit-store.ts'
import type { FrameRing } from './frame-ring.ts'
import { readGrafts } from './grafts.ts'
import type { Grafts } from './grafts.ts'
import { IndexSet } from './index-set.ts'
import type { RepositoryIdentity } from './identity.ts'
import { createRepository, findRepository } from './layout.ts'
import type {
  FoundRepository,
  RepositoryConfig,
  RepositoryPaths,
} from './layout.ts'
import { ObjectWriter } from './object-writer.ts'
import { PackReader } from './pack-reader.ts'
import type { Place } from './pack-reader.ts'
import type { FinishedPack } from './pack-writer.ts'
import { listQuarantine } from './quarantine.ts'

/** A decoded extent list, with its encoded length and what it adds up to. */
interface KnownExtents {
  readonly list: Extent[]
  readonly bytes: number
  readonly sizeBytes: number
  readonly dataBytes: number
}

export interface RepositoryOptions {
  /** Bytes of decompressed frames kept. */
  readonly frameCacheBytes?: number
  /** Bytes of decoded trees kept, estimated. */
  readonly treeCacheBytes?: number
  /**
   * Frames that leave the cache are overwritten: what `readObject` returned is
   * valid only until `releaseChunks`. For a server, which sends it at once.
   */
  readonly reusesBuffers?: boolean
  /** Frames that another thread decodes ahead; goes with `reusesBuffers`. */
  readonly ring?: FrameRing
  /** Told of each object that is read. */
  readonly onRead?: ((digest: Digest) => void) | undefined
  /** Open it also where indexes are damaged: for a check. */
  readonly isTolerant?: boolean
}

/** The same error, saying also which object and where. */
const atPlace = (
  error: DendroError,
  digest: Digest,
  { pack, frameOffset }: Place,
): DendroError =>
  new DendroError(error.code, error.message, {
    cause: error.cause,
    hint: error.hint ?? 'dendro fsck tells what it touches',
    data: { ...error.data, digest, pack, frameOffset },
  })

const MAX_GENERATION_BYTES = 64

/** A decoded tree takes about this many times its encoding. */
const TREE_OVERHEAD = 5
const EXTENT_LIST_OVERHEAD = 3

export class Repository {
  readonly paths: RepositoryPaths
  readonly config: RepositoryConfig
  readonly identity: RepositoryIdentity
  readonly commits: CommitStore
  readonly #indexes: IndexSet
  readonly #packs: PackReader
  readonly #trees: ByteCache<Tree>
  readonly #extents: ByteCache<KnownExtents>
  readonly #onRead: ((digest: Digest) => void) | undefined

  private constructor(
    { paths, config, identity }: FoundRepository,
    options: RepositoryOptions,
  ) {
    this.paths = paths
    this.config = config
    this.identity = identity
    this.commits = new CommitStore(paths)
    this.#onRead = options.onRead
    this.#indexes = new IndexSet(paths, options.isTolerant)
    this.#packs = new PackReader(paths, {
      cacheBytes: options.frameCacheBytes ?? 64 * MIB,
      reusesBuffers: options.reusesBuffers ?? false,
      ring: options.ring,
    })
    this.#trees = new ByteCache(
      options.treeCacheBytes ?? 64 * MIB,
      tree => 256 + tree.lengthBytes * TREE_OVERHEAD,
    )
    this.#extents = new ByteCache(
      16 * MIB,
      ({ bytes }) => 64 + bytes * EXTENT_LIST_OVERHEAD,
    )
  }

  /** Makes an empty repository and opens it. */
  static create(directory: string): Repository {
    createRepository(directory)
    return Repository.open(directory)
  }

  /** Errors: `NOT_A_REPOSITORY`, `FUTURE_FORMAT`, `CORRUPT_REPOSITORY`. */
  static open(directory: string, options: RepositoryOptions = {}): Repository {
    const found = findRepository(directory)
    try {
      return new Repository(found, options)
    } catch (error) {
      found.paths.directory.close()
      throw error
    }
  }

  get indexes(): IndexSet {
    return this.#indexes
  }

  has(digest: Digest): boolean {
    return this.#indexes.find(digest) !== undefined
  }

  /**
   * The bytes of an object; nobody may change them.
   * Errors: `MISSING_OBJECT`, `CORRUPT_PACK`, `CORRUPT_INDEX`, `CORRUPT_OBJECT`.
   */
  readObject(digest: Digest): Buffer {
    return this.#read(digest, place => this.#packs.read(digest, place))
  }

  /** As `readObject`, of a chunk: what follows it is decoded ahead. */
  readChunk(digest: Digest): Buffer {
    return this.#read(digest, place => this.#packs.readContent(digest, place))
  }

  /**
   * The same, but of a chunk that another thread decodes just now: waits for
   * it, `waitMs` at most, and returns undefined when it is not there yet.
   */
  readChunkWithin(digest: Digest, waitMs: number): Buffer | undefined {
    return this.#read<Buffer | undefined>(digest, place =>
      this.#packs.readContentWithin(digest, place, waitMs),
    )
  }

  /** Nobody looks any more at what was read, where buffers are reused. */
  releaseChunks(): void {
    this.#packs.release()
  }

  #read<T>(digest: Digest, from: (place: Place) => T): T | Buffer {
    this.#onRead?.(digest)
    const place = this.#indexes.find(digest)
    if (place !== undefined) {
      try {
        return from(place)
      } catch (error) {
        if (!isDamage(error)) throw error
        return this.#readElsewhere(digest, atPlace(error, digest, place))
      }
    }
    return this.#readElsewhere(
      digest,
      new DendroError(
        'MISSING_OBJECT',
        `object ${digestToHex(digest)} is missing: no index names it`,
        {
          hint: 'dendro fsck --repair looks for it in the packs and wherever --from says',
          data: { digest },
        },
      ),
    )
  }

  /** Whether the object can be read at this very place. */
  isReadableAt(digest: Digest, place: Place): boolean {
    try {
      this.#packs.read(digest, place)
      return true
    } catch (error) {
      if (isDamage(error)) return false
      throw error
    }
  }

  /** Tries what other indexes name, also those that came while we read. */
  #readElsewhere(digest: Digest, failure: DendroError): Buffer {
    let first = failure
    do {
      for (const place of this.#indexes.findAll(digest)) {
        try {
          return this.#packs.read(digest, place)
        } catch (error) {
          if (!isDamage(error)) throw error
          if (first.code === 'MISSING_OBJECT')
            first = atPlace(error, digest, place)
        }
      }
    } while (this.#indexes.reload())
    throw first
  }

  /** A directory. Errors: as `readObject`. */
  loadTree(digest: Digest): Tree {
    const known = this.#trees.get(digest)
    if (known !== undefined) return known
    const tree = Tree.decode(this.readTree(digest))
    this.#trees.set(digest, tree)
    return tree
  }

  /** The encoding of a directory, to be kept. Errors: as `readObject`. */
  readTree(digest: Digest): Buffer {
    // Copied, so that a small tree does not keep its whole frame in memory.
    const bytes = this.readObject(digest)
    const copy = Buffer.allocUnsafeSlow(bytes.length)
    bytes.copy(copy)
    return copy
  }

  /** The extents of a file, wherever they are stored. Errors: as `readObject`. */
  loadExtents(file: FileObject): readonly Extent[] {
    if (typeof file.content !== 'string') return file.content
    const digest = file.content
    let known = this.#extents.get(digest)
    if (known === undefined) {
      const bytes = this.readObject(digest)
      const list = decodeExtentList(bytes)
      const sizeBytes = extentsLength(list)
      const dataBytes = countDataBytes(list)
      known = { list, bytes: bytes.length, sizeBytes, dataBytes }
      this.#extents.set(digest, known)
    }
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

  /** Starts writing objects; close the writer in any case. */
  async beginWrite(onWait?: OnWait): Promise<ObjectWriter> {
    this.#sweepTemporary()
    const lock = await this.lockObjects('shared', onWait)
    try {
      this.#indexes.reload()
      const bad = listQuarantine(this.paths)
      const isStored = (digest: Digest): boolean =>
        this.has(digest) && !bad.has(digest)
      return new ObjectWriter(this.paths, isStored, lock)
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /**
   * Holds the objects: shared, none of them is removed; exclusive, nobody
   * relies on any.
   */
  async lockObjects(mode: LockMode, onWait?: OnWait): Promise<FileLock> {
    const gate = await acquireLock(this.paths.gateLock, mode, onWait)
    try {
      return await acquireLock(this.paths.objectsLock, mode, onWait)
    } finally {
      gate.release()
    }
  }

  /** Holds still what is published: packs, indexes, commits, refs. */
  lockPublication(onWait?: OnWait): Promise<FileLock> {
    return acquireLock(this.paths.publishLock, 'exclusive', onWait)
  }

  /** What pruning cut out of histories. Errors: `CORRUPT_REPOSITORY`. */
  grafts(): Grafts {
    return readGrafts(this.paths)
  }

  /**
   * Publishes packs and then runs `work` (which writes commits and refs), all
   * under the publication lock. What `work` reads is what others published.
   */
  async publish<T>(
    packs: readonly FinishedPack[],
    work: () => T | Promise<T>,
    onWait?: OnWait,
  ): Promise<T> {
    const lock = await this.lockPublication(onWait)
    try {
      this.#indexes.publish(packs)
      const result = await work()
      this.#announce()
      return result
    } finally {
      lock.release()
    }
  }

  /**
   * Removes what killed processes left on its way. Only while nobody else
   * writes: that is known when both locks can be had exclusively.
   */
  #sweepTemporary(): void {
    const { temporary, objectsLock, publishLock } = this.paths
    if (listEntries(temporary).length === 0) return
    const objects = tryLock(objectsLock, 'exclusive')
    const publish =
      objects === undefined ? undefined : tryLock(publishLock, 'exclusive')
    if (publish !== undefined)
      for (const entry of listEntries(temporary))
        // Nothing of ours is a directory.
        if (!entry.isDirectory()) removeIfThere(temporary.child(entry.name))
    publish?.release()
    objects?.release()
  }

  close(): void {
    this.#indexes.close()
    this.#packs.close()
    this.paths.directory.close()
  }

  /** Replaces `generation`, which mounts watch. Only news: it needs no fsync. */
  #announce(): void {
    const { generation, temporary } = this.paths
    const bytes = tryReadPlain(generation, MAX_GENERATION_BYTES)
    const previous = Number.parseInt(bytes?.toString() ?? '0', 10)
    const next = (Number.isSafeInteger(previous) ? previous : 0) + 1
    writeAtomically(generation, Buffer.from(`${next}\n`), {
      temporaryDirectory: temporary,
    })
  }
}
