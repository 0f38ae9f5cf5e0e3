/**
 * A store whose every answer is a promise, in front of one that has all: what
 * a store that fetches looks like to those who read. For tests of them.
 */

import type { Digest } from '../objects/digest.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { Tree } from '../objects/tree.ts'
import type { OnWait } from '../system/lock.ts'
import type { Grafts } from './grafts.ts'
import type { LocalLease, ObjectReader, ReadLease } from './object-reader.ts'
import type {
  Commits,
  LocalStore,
  ObjectStore,
  StoreWriter,
  WrittenPack,
} from './object-store.ts'

/** As an answer that comes from elsewhere: behind all that is ready to run. */
const later = <T>(answer: () => T): Promise<T> =>
  new Promise<void>(resolve => setImmediate(resolve)).then(answer)

export class WaitingStore implements ObjectStore {
  readonly #store: LocalStore

  constructor(store: LocalStore) {
    this.#store = store
  }

  get commits(): Commits {
    return this.#store.commits
  }

  has(digest: Digest): Promise<boolean> {
    return later(() => this.#store.has(digest))
  }

  lease(): ReadLease {
    return new WaitingLease(this, this.#store.lease())
  }

  readTree(digest: Digest): Promise<Buffer> {
    return later(() => this.#store.readTree(digest))
  }

  loadTree(digest: Digest): Promise<Tree> {
    return later(() => this.#store.loadTree(digest))
  }

  loadExtents(file: FileObject): Promise<readonly Extent[]> {
    return later(() => this.#store.loadExtents(file))
  }

  grafts(): Grafts {
    return this.#store.grafts()
  }

  beginWrite(onWait?: OnWait): Promise<StoreWriter> {
    return this.#store.beginWrite(onWait)
  }

  publish<T>(
    packs: readonly WrittenPack[],
    work: () => T | Promise<T>,
    onWait?: OnWait,
  ): Promise<T> {
    return this.#store.publish(packs, work, onWait)
  }

  close(): void {
    this.#store.close()
  }
}

class WaitingLease implements ReadLease {
  readonly reader: ObjectReader
  readonly #lease: LocalLease

  constructor(reader: ObjectReader, lease: LocalLease) {
    this.reader = reader
    this.#lease = lease
  }

  read(digest: Digest): Promise<Buffer> {
    return later(() => this.#lease.read(digest))
  }

  end(): void {
    this.#lease.end()
  }
}
