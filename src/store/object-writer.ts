/**
 * Writes the objects of one commit: each once, data and metadata apart.
 *
 * While it is open the shared objects lock is held, so nothing that it found
 * present can be removed before the commit names it.
 */

import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { FileLock } from '../system/lock.ts'
import { CompressPool } from './compress-pool.ts'
import type { RepositoryPaths } from './layout.ts'
import { PackWriter } from './pack-writer.ts'
import type { FinishedPack } from './pack-writer.ts'
import type { PackKind } from './pack-format.ts'

export interface WriterStatistics {
  newObjects: number
  /** Plain bytes of the new objects. */
  newBytes: number
  /** Bytes of the packs written. */
  storedBytes: number
}

/** Where an import puts its objects. */
export interface ObjectSink {
  add(kind: PackKind, bytes: Uint8Array): Digest
  /** Whether the object is stored, or was added here. */
  has(digest: Digest): boolean
  /** Whether so much is in flight that `drained` should be awaited. */
  isBehind(): boolean
  /** Waits while too much is in flight. */
  drained(): Promise<void>
}

export class ObjectWriter implements ObjectSink {
  readonly statistics: WriterStatistics = {
    newObjects: 0,
    newBytes: 0,
    storedBytes: 0,
  }
  readonly #paths: RepositoryPaths
  readonly #isStored: (digest: Digest) => boolean
  readonly #lock: FileLock
  readonly #pool = new CompressPool()
  readonly #added = new Set<Digest>()
  readonly #packs = new Map<PackKind, PackWriter>()

  constructor(
    paths: RepositoryPaths,
    isStored: (digest: Digest) => boolean,
    lock: FileLock,
  ) {
    this.#paths = paths
    this.#isStored = isStored
    this.#lock = lock
  }

  /** Stores `bytes` unless they are stored already. Copies them. */
  add(kind: PackKind, bytes: Uint8Array): Digest {
    const digest = digestOf(bytes)
    if (this.#added.has(digest) || this.#isStored(digest)) return digest
    let pack = this.#packs.get(kind)
    if (pack === undefined) {
      pack = new PackWriter(this.#paths, kind, this.#pool)
      this.#packs.set(kind, pack)
    }
    pack.add(digest, bytes)
    this.#added.add(digest)
    this.statistics.newObjects++
    this.statistics.newBytes += bytes.length
    return digest
  }

  has(digest: Digest): boolean {
    return this.#added.has(digest) || this.#isStored(digest)
  }

  isBehind(): boolean {
    return this.#pool.isBehind()
  }

  async drained(): Promise<void> {
    await this.#pool.drained()
  }

  /** Makes the packs durable; they are found once an index names them. */
  async finish(): Promise<FinishedPack[]> {
    const finished: FinishedPack[] = []
    for (const pack of this.#packs.values()) {
      const done = await pack.finish()
      if (done === undefined) continue
      finished.push(done)
      this.statistics.storedBytes += done.lengthBytes
    }
    return finished
  }

  /** Ends the threads, drops unfinished packs and releases the lock. */
  async close(): Promise<void> {
    for (const pack of this.#packs.values()) pack.abandon()
    await this.#pool.close()
    this.#lock.release()
  }
}
