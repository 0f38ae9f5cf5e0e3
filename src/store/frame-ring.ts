/**
 * Decoded frames that two threads share: one decodes ahead, the other reads.
 *
 * A slot is claimed, filled and published by the writer; the reader pins it
 * while it uses it. Both sides set their own word before they look at the
 * other's, so one of the two always gives way: a pinned slot is never written
 * to, and a slot that is being written is never read.
 *
 * Only frames of `FRAME_TARGET_BYTES` and `MAX_RING_OBJECTS` at most fit.
 */

import { DIGEST_BYTES } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { FRAME_TARGET_BYTES } from './frame.ts'
import type { FrameObject } from './frame.ts'

/** Frames with more objects than this are left to the reader. */
export const MAX_RING_OBJECTS = 2048

const STATE_EMPTY = 0
const STATE_BUSY = 1
const STATE_READY = 2

/** Words of a slot. */
const STATE = 0
const PINS = 1
const PACK_HIGH = 2
const PACK_LOW = 3
const OFFSET_HIGH = 4
const OFFSET_LOW = 5
const OBJECTS = 6
const SLOT_WORDS = 8

/** Words of the aim, behind the slots. */
const AIM_SEQUENCE = 0
const AIM_WORDS = 8

const TABLE_ENTRY_WORDS = 2
const TABLE_BYTES = MAX_RING_OBJECTS * (TABLE_ENTRY_WORDS * 4 + DIGEST_BYTES)
const SLOT_BYTES = FRAME_TARGET_BYTES + TABLE_BYTES
const HIGH = 0x100000000

/** 64 bits of a pack's name: enough to find it again in a listing. */
export interface PackKey {
  readonly high: number
  readonly low: number
}

export const packKey = (pack: string): PackKey => ({
  high: Number.parseInt(pack.slice(0, 8), 16) | 0,
  low: Number.parseInt(pack.slice(8, 16), 16) | 0,
})

/** What both threads get: the memory. */
export interface RingMemory {
  readonly words: SharedArrayBuffer
  readonly bytes: SharedArrayBuffer
}

export const makeRingMemory = (slots: number): RingMemory => ({
  words: new SharedArrayBuffer((slots * SLOT_WORDS + AIM_WORDS) * 4),
  bytes: new SharedArrayBuffer(slots * SLOT_BYTES),
})

/** Where the reader is: the frame behind the one it used last. */
export interface Aim extends PackKey {
  readonly sequence: number
  readonly frameOffset: number
}

interface Slot {
  readonly plain: Buffer
  readonly digests: Buffer
  /** Offset and length of each object. */
  readonly table: Uint32Array
}

export class FrameRing {
  readonly slots: number
  readonly #words: Int32Array
  readonly #slot: readonly Slot[]
  readonly #aimAt: number

  readonly #onAim: () => void

  /** `onAim` is called when the aim changed. */
  constructor(
    { words, bytes }: RingMemory,
    onAim: () => void = () => undefined,
  ) {
    this.#onAim = onAim
    this.#words = new Int32Array(words)
    this.slots = (this.#words.length - AIM_WORDS) / SLOT_WORDS
    this.#aimAt = this.slots * SLOT_WORDS
    this.#slot = Array.from({ length: this.slots }, (_, i) => {
      const at = i * SLOT_BYTES
      const tableAt = at + FRAME_TARGET_BYTES
      const tableWords = MAX_RING_OBJECTS * TABLE_ENTRY_WORDS
      return {
        plain: Buffer.from(bytes, at, FRAME_TARGET_BYTES),
        table: new Uint32Array(bytes, tableAt, tableWords),
        digests: Buffer.from(
          bytes,
          tableAt + tableWords * 4,
          MAX_RING_OBJECTS * DIGEST_BYTES,
        ),
      }
    })
  }

  /**
   * Pins the frame if it is here; its slot, or -1. Every slot that was pinned
   * must be unpinned.
   */
  pin(key: PackKey, frameOffset: number): number {
    const words = this.#words
    for (let i = 0; i < this.slots; i++) {
      if (!this.#holds(i, key, frameOffset)) continue
      const at = i * SLOT_WORDS
      Atomics.add(words, at + PINS, 1)
      const isHere =
        Atomics.load(words, at + STATE) === STATE_READY &&
        this.#holds(i, key, frameOffset)
      if (isHere) return i
      Atomics.sub(words, at + PINS, 1)
    }
    return -1
  }

  /**
   * Waits for a frame that is being decoded, `waitMs` at most; true when it
   * still is.
   */
  isArriving(key: PackKey, frameOffset: number, waitMs: number): boolean {
    const words = this.#words
    for (let i = 0; i < this.slots; i++) {
      const at = i * SLOT_WORDS + STATE
      if (words[at] !== STATE_BUSY || !this.#holds(i, key, frameOffset))
        continue
      return Atomics.wait(words, at, STATE_BUSY, waitMs) === 'timed-out'
    }
    return false
  }

  unpin(slot: number): void {
    Atomics.sub(this.#words, slot * SLOT_WORDS + PINS, 1)
  }

  /**
   * Bytes of an object in a pinned slot; undefined when it is not there, or
   * for a slot below 0.
   */
  object(
    slot: number,
    digest: Digest,
    offsetBytes: number,
    lengthBytes: number,
  ): Buffer | undefined {
    if (slot < 0) return undefined
    const { plain, table, digests } = this.#slot[slot] as Slot
    const index = this.#find(slot, table, offsetBytes, lengthBytes)
    if (index < 0) return undefined
    const at = index * DIGEST_BYTES
    for (let i = 0; i < DIGEST_BYTES; i++)
      if (digests[at + i] !== digest.charCodeAt(i)) return undefined
    return plain.subarray(offsetBytes, offsetBytes + lengthBytes)
  }

  /** The entry of the table for these bytes, or -1. */
  #find(
    slot: number,
    table: Uint32Array,
    offsetBytes: number,
    lengthBytes: number,
  ): number {
    let low = 0
    let high = (this.#words[slot * SLOT_WORDS + OBJECTS] as number) - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const offset = table[middle * 2] as number
      const length = table[middle * 2 + 1] as number
      if (offset === offsetBytes && length === lengthBytes) return middle
      // Of equal offsets all but the last are empty objects.
      if (offset < offsetBytes || (offset === offsetBytes && length === 0))
        low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  /**
   * Claims slot `slot` for a frame, unless the reader is in it. Then `fill`
   * gets its memory; what it returns is published, and undefined drops it.
   */
  write(
    slot: number,
    key: PackKey,
    frameOffset: number,
    fill: (plain: Buffer) => readonly FrameObject[] | undefined,
  ): boolean {
    const words = this.#words
    const at = slot * SLOT_WORDS
    const was = Atomics.exchange(words, at + STATE, STATE_BUSY)
    if (Atomics.load(words, at + PINS) !== 0) {
      this.#publish(at, was)
      return false
    }
    words[at + PACK_HIGH] = key.high
    words[at + PACK_LOW] = key.low
    words[at + OFFSET_HIGH] = Math.floor(frameOffset / HIGH)
    Atomics.store(words, at + OFFSET_LOW, frameOffset | 0)
    let isFilled = false
    try {
      const objects = fill((this.#slot[slot] as Slot).plain)
      isFilled = objects !== undefined
      if (objects !== undefined) this.#describe(slot, objects)
    } finally {
      this.#publish(at, isFilled ? STATE_READY : STATE_EMPTY)
    }
    return isFilled
  }

  #describe(slot: number, objects: readonly FrameObject[]): void {
    const { table, digests } = this.#slot[slot] as Slot
    objects.forEach(({ digest, offsetBytes, lengthBytes }, index) => {
      table[index * 2] = offsetBytes
      table[index * 2 + 1] = lengthBytes
      digests.write(digest, index * DIGEST_BYTES, DIGEST_BYTES, 'latin1')
    })
    this.#words[slot * SLOT_WORDS + OBJECTS] = objects.length
  }

  #publish(at: number, state: number): void {
    Atomics.store(this.#words, at + STATE, state)
    Atomics.notify(this.#words, at + STATE)
  }

  #holds(slot: number, key: PackKey, frameOffset: number): boolean {
    const words = this.#words
    const at = slot * SLOT_WORDS
    return (
      words[at + OFFSET_LOW] === (frameOffset | 0) &&
      words[at + PACK_LOW] === key.low &&
      words[at + PACK_HIGH] === key.high &&
      words[at + OFFSET_HIGH] === Math.floor(frameOffset / HIGH) &&
      words[at + STATE] !== STATE_EMPTY
    )
  }

  /** Tells the writer which frame comes next. */
  aim(key: PackKey, frameOffset: number): void {
    const words = this.#words
    const at = this.#aimAt
    // Odd while the words are written: the writer looks again.
    Atomics.add(words, at + AIM_SEQUENCE, 1)
    words[at + PACK_HIGH] = key.high
    words[at + PACK_LOW] = key.low
    words[at + OFFSET_HIGH] = Math.floor(frameOffset / HIGH)
    words[at + OFFSET_LOW] = frameOffset | 0
    Atomics.add(words, at + AIM_SEQUENCE, 1)
    this.#onAim()
  }

  /** The aim of the moment; undefined before the first one. */
  readAim(): Aim | undefined {
    const words = this.#words
    const at = this.#aimAt
    for (;;) {
      const sequence = Atomics.load(words, at + AIM_SEQUENCE)
      if (sequence === 0) return undefined
      const aim = {
        sequence,
        high: words[at + PACK_HIGH] as number,
        low: words[at + PACK_LOW] as number,
        frameOffset:
          (words[at + OFFSET_HIGH] as number) * HIGH +
          ((words[at + OFFSET_LOW] as number) >>> 0),
      }
      const isWhole =
        sequence % 2 === 0 &&
        Atomics.load(words, at + AIM_SEQUENCE) === sequence
      if (isWhole) return aim
    }
  }
}
