/**
 * Decodes frames into a ring, ahead of the one who reads them.
 *
 * What cannot be read or is damaged is left out without a word: the reader
 * comes upon it and says so. Every object is verified by its digest, so the
 * reader need not do it again.
 */

import { closeSync, readSync } from '../system/files.ts'
import { digestOf } from '../objects/digest.ts'
import { childOf } from '../system/held-path.ts'
import type { FilePlace } from '../system/held-path.ts'
import { listNames, openPlain } from '../system/plain-file.ts'
import { KIB } from '../units.ts'
import {
  decodeFrameHeader,
  decompressFrame,
  decodeFrameTable,
  FRAME_HEADER_BYTES,
  FRAME_TARGET_BYTES,
} from './frame.ts'
import type { FrameObject } from './frame.ts'
import { MAX_RING_OBJECTS, packKey } from './frame-ring.ts'
import type { FrameRing, PackKey } from './frame-ring.ts'

/** Read at once: several frames, and the whole of any that fits the ring. */
const WINDOW_BYTES = 384 * KIB
const MAX_FRAME_BYTES = FRAME_TARGET_BYTES + 80 * KIB
const WHERE = 'frame read ahead'

interface OpenPack extends PackKey {
  readonly fd: number
}

export class FrameDecoder {
  readonly #directory: FilePlace
  readonly #ring: FrameRing
  readonly #window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  #windowAt = 0
  #windowBytes = 0
  #windowPack: OpenPack | undefined
  #packs: OpenPack[] = []
  #slot = 0

  constructor(packDirectory: FilePlace, ring: FrameRing) {
    this.#directory = packDirectory
    this.#ring = ring
  }

  /**
   * Decodes the frame at `frameOffset` unless the ring has it. Returns where
   * the next one begins, or undefined where there is nothing to go on with.
   */
  decode(key: PackKey, frameOffset: number): number | undefined {
    const pack = this.#open(key)
    if (pack === undefined) return undefined
    try {
      const frame = this.#frameAt(pack, frameOffset)
      if (frame === undefined) return undefined
      const next = frameOffset + frame.length
      const slot = this.#ring.pin(key, frameOffset)
      if (slot >= 0) this.#ring.unpin(slot)
      else this.#fill(key, frameOffset, frame)
      return next
    } catch {
      // Damage, or the pack went away: whoever needs the frame is told.
      return undefined
    }
  }

  /** Closes what it holds open; packs that were removed can go then. */
  close(): void {
    for (const { fd } of this.#packs) closeSync(fd)
    this.#packs = []
    this.#windowPack = undefined
    this.#windowBytes = 0
  }

  #fill(key: PackKey, frameOffset: number, frame: Buffer): void {
    // The reader is in one slot at a time: of any two, one is free.
    for (let tries = 0; tries < this.#ring.slots; tries++) {
      const slot = this.#slot
      this.#slot = (slot + 1) % this.#ring.slots
      const isFilled = this.#ring.write(slot, key, frameOffset, plain =>
        decodeInto(frame, plain),
      )
      if (isFilled) return
    }
  }

  /** A whole frame, valid until the next call; undefined when it is too large. */
  #frameAt(pack: OpenPack, offset: number): Buffer | undefined {
    const isInside = (length: number): boolean =>
      this.#windowPack === pack &&
      offset >= this.#windowAt &&
      offset + length <= this.#windowAt + this.#windowBytes
    if (!isInside(FRAME_HEADER_BYTES)) this.#read(pack, offset)
    if (!isInside(FRAME_HEADER_BYTES)) return undefined
    let at = offset - this.#windowAt
    const { frameBytes } = decodeFrameHeader(this.#window, at, WHERE)
    if (frameBytes > MAX_FRAME_BYTES) return undefined
    if (!isInside(frameBytes)) {
      this.#read(pack, offset)
      at = 0
    }
    return isInside(frameBytes)
      ? this.#window.subarray(at, at + frameBytes)
      : undefined
  }

  #read(pack: OpenPack, offset: number): void {
    this.#windowPack = pack
    this.#windowAt = offset
    this.#windowBytes = readSync(pack.fd, this.#window, 0, WINDOW_BYTES, offset)
  }

  #open(key: PackKey): OpenPack | undefined {
    const isIt = ({ high, low }: PackKey): boolean =>
      high === key.high && low === key.low
    const known = this.#packs.find(isIt)
    if (known !== undefined) return known
    const name = listNames(this.#directory).find(
      file => file.endsWith('.pack') && isIt(packKey(file)),
    )
    if (name === undefined) return undefined
    if (this.#packs.length >= 16) this.close()
    const { fd } = openPlain(childOf(this.#directory, name))
    const pack = { ...key, fd }
    this.#packs.push(pack)
    return pack
  }
}

/** Decodes and verifies a frame into a slot; undefined when it does not fit. */
const decodeInto = (
  frame: Buffer,
  slot: Buffer,
): readonly FrameObject[] | undefined => {
  const header = decodeFrameHeader(frame, 0, WHERE)
  const { objects: count, plainBytes } = header
  if (count > MAX_RING_OBJECTS || plainBytes > slot.length) return undefined
  const plain = decompressFrame(frame, WHERE, length =>
    slot.subarray(0, length),
  )
  // An implementation that decompresses into a buffer of its own.
  if (plain.buffer !== slot.buffer) plain.copy(slot)
  const objects = decodeFrameTable(frame, FRAME_HEADER_BYTES, header, WHERE)
  const isWhole = objects.every(
    ({ digest, offsetBytes, lengthBytes }) =>
      digestOf(slot.subarray(offsetBytes, offsetBytes + lengthBytes)) ===
      digest,
  )
  return isWhole ? objects : undefined
}
