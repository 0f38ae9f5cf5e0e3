/**
 * An open repository: objects by digest, commits, and the way new ones are
 * published. Refs are a layer above (refs/).
 *
 * Readers never lock. Publication order: packs, then the index that names
 * them, then the commit, then the ref; each durable before the next.
 */

import type { Digest } from '../objects/digest.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { Tree } from '../objects/tree.ts'
import { removeIfThere, writeAtomically } from '../system/durable-file.ts'
import { listEntries, tryReadPlain } from '../system/plain-file.ts'
import { acquireLock, tryLock } from '../system/lock.ts'
import type { FileLock, LockMode, OnWait } from '../system/lock.ts'
import { MIB } from '../units.ts'
import { CommitStore } from './commit-store.ts'
import { DecodedObjects } from './decoded-objects.ts'
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
import type { LocalLease } from './object-reader.ts'
import type { LocalStore } from './object-store.ts'
import { ObjectWriter } from './object-writer.ts'
import { PackReader } from './pack-reader.ts'
import { PackedObjects } from './packed-objects.ts'
import type { Place } from './place.ts'
import type { FinishedPack } from './pack-writer.ts'
import { listQuarantine } from './quarantine.ts'
import type { StoreLocks } from './upkeep-store.ts'

export interface RepositoryOptions {
  /** Bytes of decompressed frames kept. */
  readonly frameCacheBytes?: number
  /** Bytes of decoded trees kept, estimated. */
  readonly treeCacheBytes?: number
  /**
   * Frames that leave the cache are overwritten once no lease is read through.
   * For a server, which sends at once what it read.
   */
  readonly reusesBuffers?: boolean
  /** Frames that another thread decodes ahead; goes with `reusesBuffers`. */
  readonly ring?: FrameRing
  /** Told of each object that is read. */
  readonly onRead?: ((digest: Digest) => void) | undefined
  /** Open it also where indexes are damaged: for a check. */
  readonly isTolerant?: boolean
}

const MAX_GENERATION_BYTES = 64

export class Repository implements LocalStore, StoreLocks {
  readonly paths: RepositoryPaths
  readonly config: RepositoryConfig
  readonly identity: RepositoryIdentity
  readonly commits: CommitStore
  readonly #indexes: IndexSet
  readonly #packs: PackReader
  readonly #objects: PackedObjects
  readonly #decoded: DecodedObjects
  /** Where no memory is used again, one is as good as many. */
  readonly #lease: LocalLease | undefined

  private constructor(
    { paths, config, identity }: FoundRepository,
    options: RepositoryOptions,
  ) {
    this.paths = paths
    this.config = config
    this.identity = identity
    this.commits = new CommitStore(paths)
    this.#indexes = new IndexSet(paths, options.isTolerant)
    this.#packs = new PackReader(paths, {
      cacheBytes: options.frameCacheBytes ?? 64 * MIB,
      reusesBuffers: options.reusesBuffers ?? false,
      ring: options.ring,
    })
    this.#objects = new PackedObjects(
      this.#indexes,
      this.#packs,
      options.onRead,
    )
    this.#decoded = new DecodedObjects(
      this.#objects,
      options.treeCacheBytes ?? 64 * MIB,
    )
    if (options.reusesBuffers !== true && options.ring === undefined)
      this.#lease = this.#objects.lease(this)
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

  lease(): LocalLease {
    return this.#lease ?? this.#objects.lease(this)
  }

  readTree(digest: Digest): Buffer {
    return this.#objects.copy(digest)
  }

  loadTree(digest: Digest): Tree {
    return this.#decoded.loadTree(digest)
  }

  loadExtents(file: FileObject): readonly Extent[] {
    return this.#decoded.loadExtents(file)
  }

  /** Whether the object can be read at this very place. */
  isReadableAt(digest: Digest, place: Place): boolean {
    return this.#objects.isReadableAt(digest, place)
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
