/**
 * Reads frames out of packs and keeps the plain ones that were used last.
 *
 * Memory is bounded by bytes. Every frame is verified by its checksum when it
 * is read; every object by its digest the first time it is taken out of a
 * frame in memory, where hashing is fast (objects/blake3.ts).
 */

import { closeSync, readSync } from '../system/files.ts'
import { LRUCache } from 'lru-cache'
import { FrameBuffers } from './frame-buffers.ts'
import { DendroError, errnoOf, wrapSystemError } from '../errors.ts'
import { isBlake3Fast } from '../objects/blake3.ts'
import { digestOf, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import {
  decodeFrameHeader,
  decodeFramePlain,
  decodeFrameTable,
  FRAME_HEADER_BYTES,
  MAX_FRAME_BYTES,
} from './frame.ts'
import type { FrameObject } from './frame.ts'
import { ByteCache } from './byte-cache.ts'
import { openPlain } from '../system/plain-file.ts'
import type { PlainFile } from '../system/plain-file.ts'
import type { HeldPath } from '../system/held-path.ts'
import { packKey } from './frame-ring.ts'
import type { FrameRing } from './frame-ring.ts'
import { PackLease } from './pack-lease.ts'
import type { LeasedPacks, PackStream } from './pack-lease.ts'
import type { Place } from './place.ts'
import { isEmulated } from '../system/processors.ts'
import type { RepositoryPaths } from './layout.ts'
import { decodePackHeader, PACK_HEADER_BYTES } from './pack-format.ts'

interface LoadedFrame {
  readonly plain: Buffer
  readonly objects: ReadonlyMap<Digest, FrameObject>
  readonly verified: Set<Digest>
}

const MAX_OPEN_PACKS = 128
/** What an object's entry in a loaded frame takes, about. */
const FRAME_OBJECT_BYTES = 200

/**
 * Reads `length` bytes at `position`, or fewer at the end of the file, into the
 * beginning of `bytes`.
 */
export const readAt = (
  fd: number,
  position: number,
  length: number,
  bytes: Buffer = Buffer.allocUnsafeSlow(length),
): Buffer => {
  let done = 0
  while (done < length) {
    const count = readSync(fd, bytes, done, length - done, position + done)
    if (count === 0) break
    done += count
  }
  return bytes.subarray(0, done)
}

/** At a first read, where it costs little; the checksum of the frame is always. */
const checksDigests = isBlake3Fast && !isEmulated()

export class PackReader implements LeasedPacks {
  readonly ring: FrameRing | undefined
  readonly #paths: RepositoryPaths
  readonly #files: LRUCache<string, PlainFile>
  readonly #frames: ByteCache<LoadedFrame>
  readonly #verifyAlways: boolean
  readonly #buffers: FrameBuffers | undefined
  readonly #streams = new Map<string, PackStream>()
  /** Leases that somebody reads through. */
  #leased = 0
  /** The stored form of the frame that is being read, where buffers are reused. */
  #stored = Buffer.alloc(0)

  constructor(
    paths: RepositoryPaths,
    options: {
      readonly cacheBytes: number
      readonly verifyAlways?: boolean
      /** Frames that leave the cache are overwritten once no lease is read through. */
      readonly reusesBuffers?: boolean
      /** Frames that another thread decodes ahead; goes with `reusesBuffers`. */
      readonly ring?: FrameRing | undefined
    },
  ) {
    this.#paths = paths
    this.#verifyAlways = options.verifyAlways ?? false
    this.ring = options.ring
    this.#files = new LRUCache({
      max: MAX_OPEN_PACKS,
      dispose: ({ fd }) => closeSync(fd),
    })
    this.#frames = new ByteCache(
      options.cacheBytes,
      frame => frame.plain.length + frame.objects.size * FRAME_OBJECT_BYTES,
      frame => this.#buffers?.give(frame.plain),
    )
    if (options.reusesBuffers === true) this.#buffers = new FrameBuffers()
  }

  lease(): PackLease {
    return new PackLease(this)
  }

  begin(): void {
    this.#leased++
  }

  end(wasRead: boolean): void {
    if (wasRead) this.#leased--
    if (this.#leased === 0) this.#buffers?.release()
  }

  /**
   * The bytes of an object: a view that nobody may change. Where buffers are
   * reused it is valid until the next call, or as long as a lease is read
   * through. Errors: `CORRUPT_PACK`, `CORRUPT_INDEX`, `CORRUPT_OBJECT`.
   */
  read(digest: Digest, place: Place): Buffer {
    const frame = this.#load(place)
    const object = frame.objects.get(digest)
    if (object === undefined)
      throw new DendroError(
        'CORRUPT_INDEX',
        `damaged index: object ${digestToHex(digest)} is not where it says in pack ${place.pack}`,
        {
          hint: 'remove the files in index/ after making a copy; a repair builds them again',
        },
      )
    const bytes = frame.plain.subarray(
      object.offsetBytes,
      object.offsetBytes + object.lengthBytes,
    )
    if ((checksDigests || this.#verifyAlways) && !frame.verified.has(digest)) {
      if (digestOf(bytes) !== digest)
        throw new DendroError(
          'CORRUPT_OBJECT',
          `damaged object ${digestToHex(digest)} in pack ${place.pack}: its bytes have another digest`,
          { hint: 'dendro fsck --repair saves what it can' },
        )
      frame.verified.add(digest)
    }
    return bytes
  }

  streamOf(pack: string): PackStream {
    let stream = this.#streams.get(pack)
    if (stream === undefined) {
      stream = { key: packKey(pack), frameOffset: -1, next: -1 }
      this.#streams.set(pack, stream)
    }
    return stream
  }

  close(): void {
    this.#files.clear()
    this.#frames.clear()
  }

  #load(place: Place): LoadedFrame {
    const key = `${place.pack}:${place.frameOffset}`
    const known = this.#frames.get(key)
    if (known !== undefined) return known
    const where = `pack ${place.pack} at byte ${place.frameOffset}`
    const bytes = this.#readFrame(place, where)
    const header = decodeFrameHeader(bytes, 0, where)
    const buffers = this.#buffers
    const plain =
      buffers === undefined
        ? decodeFramePlain(bytes, where)
        : decodeFramePlain(bytes, where, length => buffers.take(length))
    const objects = decodeFrameTable(bytes, FRAME_HEADER_BYTES, header, where)
    const frame: LoadedFrame = {
      plain,
      objects: new Map(objects.map(object => [object.digest, object])),
      verified: new Set(),
    }
    this.#frames.set(key, frame)
    return frame
  }

  #readFrame(place: Place, where: string): Buffer {
    try {
      const { frameOffset, frameBytes } = place
      const { fd, sizeBytes } = this.#open(place.pack)
      if (frameBytes > MAX_FRAME_BYTES || frameOffset + frameBytes > sizeBytes)
        throw new DendroError(
          'CORRUPT_PACK',
          `damaged ${where}: its end is behind the end of the file, or it is too long`,
          { hint: 'dendro fsck --repair saves what it can' },
        )
      if (this.#buffers === undefined)
        return readAt(fd, frameOffset, frameBytes)
      if (this.#stored.length < frameBytes)
        this.#stored = Buffer.allocUnsafeSlow(frameBytes)
      return readAt(fd, frameOffset, frameBytes, this.#stored)
    } catch (error) {
      throw wrapSystemError(`cannot read ${where}`, error)
    }
  }

  /** Out of descriptors, the packs that are open are closed first. */
  #openFile(place: HeldPath): PlainFile {
    try {
      return openPlain(place)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno !== 'EMFILE' && errno !== 'ENFILE') throw error
      this.#files.clear()
      return openPlain(place)
    }
  }

  #open(pack: string): PlainFile {
    const known = this.#files.get(pack)
    if (known !== undefined) return known
    const place = this.#paths.packs.child(`${pack}.pack`)
    let file: PlainFile
    try {
      file = this.#openFile(place)
    } catch (error) {
      // Anything but its absence says nothing of the pack.
      if (errnoOf(error) !== 'ENOENT')
        throw wrapSystemError(`cannot open pack ${String(place)}`, error)
      throw new DendroError(
        'CORRUPT_PACK',
        `damaged repository: pack ${String(place)} is missing`,
        { cause: error, hint: 'dendro fsck --repair saves what it can' },
      )
    }
    try {
      const header = readAt(file.fd, 0, PACK_HEADER_BYTES)
      decodePackHeader(header, place.path)
    } catch (error) {
      closeSync(file.fd)
      throw error
    }
    this.#files.set(pack, file)
    return file
  }
}
