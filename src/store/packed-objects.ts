/**
 * Objects by digest, wherever the indexes say that they stand: where one place
 * is damaged the others are tried, also those that came meanwhile.
 */

import { DendroError, isDamage } from '../errors.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { IndexSet } from './index-set.ts'
import { SINGLE } from './object-reader.ts'
import type {
  LocalLease,
  LocalReader,
  PatientIntent,
  ReadIntent,
} from './object-reader.ts'
import type { PackLease } from './pack-lease.ts'
import type { PackReader } from './pack-reader.ts'
import type { Place } from './place.ts'

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

const missing = (digest: Digest): DendroError =>
  new DendroError(
    'MISSING_OBJECT',
    `object ${digestToHex(digest)} is missing: no index names it`,
    {
      hint: 'dendro fsck --repair looks for it in the packs and wherever --from says',
      data: { digest },
    },
  )

export class PackedObjects {
  readonly #indexes: IndexSet
  readonly #packs: PackReader
  readonly #onRead: ((digest: Digest) => void) | undefined

  /** `onRead` is told of each object that is read. */
  constructor(
    indexes: IndexSet,
    packs: PackReader,
    onRead?: (digest: Digest) => void,
  ) {
    this.#indexes = indexes
    this.#packs = packs
    this.#onRead = onRead
  }

  lease(reader: LocalReader): LocalLease {
    return new Lease(reader, this, this.#packs.lease())
  }

  /** The bytes of an object, looked at before the next call. */
  peek(digest: Digest): Buffer {
    return this.read(digest, SINGLE) as Buffer
  }

  /** The bytes of an object in memory of their own. */
  copy(digest: Digest): Buffer {
    // A small tree would keep its whole frame in memory.
    const bytes = this.peek(digest)
    const copy = Buffer.allocUnsafeSlow(bytes.length)
    bytes.copy(copy)
    return copy
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

  /** As `LocalLease.read`; without a lease the bytes are looked at at once. */
  read(
    digest: Digest,
    intent: ReadIntent | PatientIntent,
    lease?: PackLease,
  ): Buffer | undefined {
    lease?.begin()
    this.#onRead?.(digest)
    const place = this.#indexes.find(digest)
    if (place === undefined) return this.#elsewhere(digest, missing(digest))
    try {
      return lease === undefined
        ? this.#packs.read(digest, place)
        : lease.read(digest, place, intent)
    } catch (error) {
      if (!isDamage(error)) throw error
      return this.#elsewhere(digest, atPlace(error, digest, place))
    }
  }

  /** Tries what other indexes name, also those that came while we read. */
  #elsewhere(digest: Digest, failure: DendroError): Buffer {
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
}

class Lease implements LocalLease {
  readonly reader: LocalReader
  readonly #objects: PackedObjects
  readonly #lease: PackLease

  constructor(reader: LocalReader, objects: PackedObjects, lease: PackLease) {
    this.reader = reader
    this.#objects = objects
    this.#lease = lease
  }

  read(digest: Digest, intent?: ReadIntent): Buffer
  read(digest: Digest, intent: PatientIntent): Buffer | undefined
  read(
    digest: Digest,
    intent: ReadIntent | PatientIntent = SINGLE,
  ): Buffer | undefined {
    return this.#objects.read(digest, intent, this.#lease)
  }

  end(): void {
    this.#lease.end()
  }
}
