/**
 * Reads objects out of packs for somebody who says when the bytes are no longer
 * looked at (`end`). What is read in order is aimed for in the ring, where
 * another thread decodes ahead, and taken from there.
 */

import type { Digest } from '../objects/digest.ts'
import type { FrameRing, PackKey } from './frame-ring.ts'
import type { PatientIntent, ReadIntent } from './object-reader.ts'
import type { Place } from './place.ts'

/** The frame of a pack that was read last, and where the next one begins. */
export interface PackStream {
  readonly key: PackKey
  frameOffset: number
  next: number
}

/** The reader of packs, as its leases see it. */
export interface LeasedPacks {
  readonly ring: FrameRing | undefined
  /** The bytes of an object, valid as long as a lease is read through. */
  read(digest: Digest, place: Place): Buffer
  streamOf(pack: string): PackStream
  /** A lease is read through from now on. */
  begin(): void
  /** A lease ended; `wasRead`: it was read through. */
  end(wasRead: boolean): void
}

export class PackLease {
  readonly #packs: LeasedPacks
  #isRead = false
  /** The frame in hand: its slot in the ring or -1, its pack and offset. */
  #slot = -1
  #stream: PackStream | undefined
  #frameOffset = -1
  /** Slots that are in use until the end. */
  readonly #pinned: number[] = []

  constructor(packs: LeasedPacks) {
    this.#packs = packs
  }

  /** What is read from now on is looked at until the end. */
  begin(): void {
    if (this.#isRead) return
    this.#isRead = true
    this.#packs.begin()
  }

  /**
   * The bytes of an object, once it has begun; undefined where another thread decodes its frame
   * just now and did not get it done in `maxWaitMs`.
   * Errors: `CORRUPT_PACK`, `CORRUPT_INDEX`, `CORRUPT_OBJECT`.
   */
  read(
    digest: Digest,
    place: Place,
    intent: ReadIntent | PatientIntent,
  ): Buffer | undefined {
    const { ring } = this.#packs
    if (ring === undefined || !intent.isSequential)
      return this.#packs.read(digest, place)
    if (!this.#isInHand(place)) {
      const { maxWaitMs } = intent
      if (maxWaitMs !== undefined && this.#isArriving(ring, place, maxWaitMs))
        return undefined
      this.#take(ring, place)
    }
    const { offsetBytes, lengthBytes } = place
    return (
      ring.object(this.#slot, digest, offsetBytes, lengthBytes) ??
      this.#packs.read(digest, place)
    )
  }

  /** Nobody looks any more at what was read through it. */
  end(): void {
    for (const slot of this.#pinned) this.#packs.ring?.unpin(slot)
    this.#pinned.length = 0
    this.#slot = -1
    this.#packs.end(this.#isRead)
    this.#isRead = false
  }

  #isArriving(
    ring: FrameRing,
    { pack, frameOffset }: Place,
    maxWaitMs: number,
  ): boolean {
    const { key } = this.#packs.streamOf(pack)
    return ring.isArriving(key, frameOffset, maxWaitMs)
  }

  /** Takes the frame into hand if the ring has it, and aims at what follows. */
  #take(ring: FrameRing, { pack, frameOffset, frameBytes }: Place): void {
    const stream = this.#packs.streamOf(pack)
    this.#slot = ring.pin(stream.key, frameOffset)
    if (this.#slot >= 0) this.#pinned.push(this.#slot)
    this.#stream = stream
    this.#frameOffset = frameOffset
    if (stream.frameOffset === frameOffset) return
    const next = frameOffset + frameBytes
    // Of a frame that is read for itself nothing follows.
    if (this.#slot >= 0 || stream.next === frameOffset)
      ring.aim(stream.key, next)
    stream.frameOffset = frameOffset
    stream.next = next
  }

  #isInHand({ pack, frameOffset }: Place): boolean {
    return (
      this.#slot >= 0 &&
      this.#frameOffset === frameOffset &&
      this.#stream === this.#packs.streamOf(pack)
    )
  }
}
