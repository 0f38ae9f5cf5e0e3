/**
 * A store in memory: for tests, and for whoever makes a tree that is not kept.
 *
 * It keeps the contract to the letter where a repository is more generous: with
 * `overwrites` what a lease gave is overwritten when the lease ends.
 */

import { DendroError } from '../errors.ts'
import { decodeCommit } from '../objects/commit.ts'
import type { Commit } from '../objects/commit.ts'
import { digestFromHex, digestOf, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { Tree } from '../objects/tree.ts'
import { MIB } from '../units.ts'
import { DecodedObjects } from './decoded-objects.ts'
import type { Grafts } from './grafts.ts'
import type { LocalLease, LocalReader } from './object-reader.ts'
import type {
  Commits,
  LocalStore,
  StoreWriter,
  WrittenPack,
} from './object-store.ts'
import type { WriterStatistics } from './object-writer.ts'
import type { PackKind } from './pack-format.ts'

export interface MemoryStoreOptions {
  /** Whether what a lease gave is overwritten when it ends. */
  readonly overwrites?: boolean
}

/** What is overwritten becomes this. */
const OVERWRITTEN = 0xdd
const TREE_CACHE_BYTES = 16 * MIB

const missing = (what: string, digest: Digest): DendroError =>
  new DendroError(
    'MISSING_OBJECT',
    `${what} ${digestToHex(digest)} is missing: it was not stored`,
    {
      hint: 'a store in memory has what this process put there',
      data: { digest },
    },
  )

export class MemoryStore implements LocalStore {
  readonly commits: Commits = new MemoryCommits()
  readonly #objects = new Map<Digest, Buffer>()
  readonly #decoded: DecodedObjects
  readonly #overwrites: boolean
  /** Settled when the publication that came last is over. */
  #published: Promise<unknown> = Promise.resolve()

  constructor(options: MemoryStoreOptions = {}) {
    this.#overwrites = options.overwrites ?? false
    const peek = (digest: Digest): Buffer => this.#get(digest)
    const copy = (digest: Digest): Buffer => Buffer.from(this.#get(digest))
    this.#decoded = new DecodedObjects({ peek, copy }, TREE_CACHE_BYTES)
  }

  has(digest: Digest): boolean {
    return this.#objects.has(digest)
  }

  lease(): LocalLease {
    return new MemoryLease(
      this,
      digest => {
        const bytes = this.#get(digest)
        return this.#overwrites ? Buffer.from(bytes) : bytes
      },
      this.#overwrites,
    )
  }

  readTree(digest: Digest): Buffer {
    return Buffer.from(this.#get(digest))
  }

  loadTree(digest: Digest): Tree {
    return this.#decoded.loadTree(digest)
  }

  loadExtents(file: FileObject): readonly Extent[] {
    return this.#decoded.loadExtents(file)
  }

  grafts(): Grafts {
    return new Map()
  }

  beginWrite(): Promise<StoreWriter> {
    return Promise.resolve(new MemoryWriter(digest => this.has(digest)))
  }

  publish<T>(
    packs: readonly WrittenPack[],
    work: () => T | Promise<T>,
  ): Promise<T> {
    const done = this.#published.then(() => {
      for (const pack of packs)
        if (pack instanceof MemoryPack)
          for (const [digest, bytes] of pack.objects)
            this.#objects.set(digest, bytes)
        else throw new TypeError('a pack of another store')
      return work()
    })
    this.#published = done.catch(() => undefined)
    return done
  }

  /** Changes a byte of every object: for tests of who reads. */
  damageAll(): void {
    for (const [digest, bytes] of this.#objects) {
      const damaged = Buffer.from(bytes)
      damaged[0] = (damaged[0] as number) ^ 1
      this.#objects.set(digest, damaged)
    }
  }

  close(): void {
    this.#objects.clear()
  }

  #get(digest: Digest): Buffer {
    const bytes = this.#objects.get(digest)
    if (bytes === undefined) throw missing('object', digest)
    if (digestOf(bytes) === digest) return bytes
    throw new DendroError(
      'CORRUPT_OBJECT',
      `damaged object ${digestToHex(digest)}: its bytes have another digest`,
      { hint: 'store it again', data: { digest } },
    )
  }
}

class MemoryLease implements LocalLease {
  readonly reader: LocalReader
  readonly #get: (digest: Digest) => Buffer
  readonly #given: Buffer[] | undefined

  constructor(
    reader: LocalReader,
    get: (digest: Digest) => Buffer,
    overwrites: boolean,
  ) {
    this.reader = reader
    this.#get = get
    if (overwrites) this.#given = []
  }

  read(digest: Digest): Buffer {
    const bytes = this.#get(digest)
    this.#given?.push(bytes)
    return bytes
  }

  end(): void {
    for (const bytes of this.#given?.splice(0) ?? []) bytes.fill(OVERWRITTEN)
  }
}

/** What a writer finished. */
class MemoryPack implements WrittenPack {
  readonly objects: ReadonlyMap<Digest, Buffer>
  readonly lengthBytes: number

  constructor(objects: ReadonlyMap<Digest, Buffer>, lengthBytes: number) {
    this.objects = objects
    this.lengthBytes = lengthBytes
  }
}

class MemoryWriter implements StoreWriter {
  readonly statistics: WriterStatistics = {
    newObjects: 0,
    newBytes: 0,
    storedBytes: 0,
  }
  readonly #isStored: (digest: Digest) => boolean
  readonly #added = new Map<Digest, Buffer>()

  constructor(isStored: (digest: Digest) => boolean) {
    this.#isStored = isStored
  }

  add(_kind: PackKind, bytes: Uint8Array): Digest {
    const digest = digestOf(bytes)
    if (this.has(digest)) return digest
    this.#added.set(digest, Buffer.from(bytes))
    this.statistics.newObjects++
    this.statistics.newBytes += bytes.length
    return digest
  }

  has(digest: Digest): boolean {
    return this.#added.has(digest) || this.#isStored(digest)
  }

  isBehind(): boolean {
    return false
  }

  drained(): Promise<void> {
    return Promise.resolve()
  }

  finish(): Promise<readonly WrittenPack[]> {
    if (this.#added.size === 0) return Promise.resolve([])
    this.statistics.storedBytes = this.statistics.newBytes
    const { newBytes } = this.statistics
    return Promise.resolve([new MemoryPack(new Map(this.#added), newBytes)])
  }

  close(): Promise<void> {
    this.#added.clear()
    return Promise.resolve()
  }
}

class MemoryCommits implements Commits {
  readonly #encoded = new Map<string, Buffer>()

  put(bytes: Buffer): Digest {
    decodeCommit(bytes)
    const id = digestOf(bytes)
    this.#encoded.set(digestToHex(id), Buffer.from(bytes))
    return id
  }

  has(id: Digest): boolean {
    return this.#encoded.has(digestToHex(id))
  }

  get(id: Digest): Commit | undefined {
    const bytes = this.#encoded.get(digestToHex(id))
    return bytes === undefined ? undefined : decodeCommit(bytes)
  }

  load(id: Digest): Commit {
    const commit = this.get(id)
    if (commit === undefined) throw missing('commit', id)
    return commit
  }

  list(): Digest[] {
    return this.listHex().map(hex => digestFromHex(hex) as Digest)
  }

  listHex(): string[] {
    return [...this.#encoded.keys()].sort()
  }

  *readable(): Generator<Commit, void, undefined> {
    for (const id of this.list()) yield this.load(id)
  }
}
