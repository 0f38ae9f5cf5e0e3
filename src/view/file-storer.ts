/** Puts the files of a job into the page cache, out of decoded frames. */

import { ENOENT } from '../system/errno.ts'
import type { FrameDecoder } from '../store/frame-decoder.ts'
import { packKey } from '../store/frame-ring.ts'
import type { FrameRing, PackKey } from '../store/frame-ring.ts'
import { isCancelled, WORD } from './ahead-words.ts'
import { digestOfPart, ITEM_NUMBERS, PART_NUMBERS } from './store-job.ts'
import type { StoreJob } from './store-job.ts'

/** A reader takes up the nodes of a listing within so many pauses of so long. */
const TAKE_UP_TRIES = 4
const TAKE_UP_MS = 0.05

export interface FileStorerPorts {
  readonly ring: FrameRing
  /** Decodes frames into the ring. */
  readonly decoder: Pick<FrameDecoder, 'decode'>
  /**
   * Puts a whole file, in parts, into the page cache: bytes written, or -errno.
   * May sleep while a page is locked by a READ (fuse/notify.ts).
   */
  readonly storePages: (nodeId: number, parts: readonly Buffer[]) => number
  /** See `WORD`. */
  readonly words: Int32Array
}

export class FileStorer {
  readonly #ports: FileStorerPorts
  /** Slots that the file in hand is in, and the frame of the last one. */
  readonly #pinned: number[] = []
  #slot = -1
  #slotKey: PackKey | undefined
  #slotOffset = -1

  constructor(ports: FileStorerPorts) {
    this.#ports = ports
  }

  /**
   * Stores what of the job the reader has not passed yet, until it is
   * cancelled. Files that are not whole in the repository are left out: whoever
   * reads them is told why.
   */
  run(job: StoreJob): void {
    const { ring, words } = this.#ports
    const { id, numbers } = job
    const keys = job.packs.map(packKey)
    const found: Buffer[] = []
    let part = 0
    let isFirst = true
    for (let at = 0; at < numbers.length && !isCancelled(words);) {
      const index = numbers[at] as number
      const nodeId = numbers[at + 1] as number
      const parts = numbers[at + 2] as number
      at += ITEM_NUMBERS
      const isLate =
        Atomics.load(words, WORD.progressJob) === id &&
        Atomics.load(words, WORD.progressIndex) >= index
      found.length = 0
      for (let i = 0; i < parts; i++, at += PART_NUMBERS, part++) {
        // Late, or a part before this one was not found.
        if (isLate || found.length < i) continue
        const key = keys[numbers[at] as number] as PackKey
        const bytes = ring.object(
          this.#pin(key, numbers[at + 1] as number),
          digestOfPart(job, part),
          numbers[at + 2] as number,
          numbers[at + 3] as number,
        )
        if (bytes !== undefined) found.push(bytes)
      }
      if (found.length === parts) {
        this.#store(nodeId, found, isFirst)
        isFirst = false
      }
      // The last frame is likely to hold the next file too.
      if (this.#pinned.length > 1) this.#unpin()
    }
    this.#unpin()
  }

  /** Pins the frame, decoding it first where the ring lacks it; its slot or -1. */
  #pin(key: PackKey, frameOffset: number): number {
    if (this.#slotOffset === frameOffset && this.#slotKey === key)
      return this.#slot
    const { ring, decoder } = this.#ports
    let slot = ring.pin(key, frameOffset)
    if (slot < 0 && decoder.decode(key, frameOffset) !== undefined)
      slot = ring.pin(key, frameOffset)
    if (slot >= 0) this.#pinned.push(slot)
    this.#slot = slot
    this.#slotKey = key
    this.#slotOffset = frameOffset
    return slot
  }

  #unpin(): void {
    for (const one of this.#pinned) this.#ports.ring.unpin(one)
    this.#pinned.length = 0
    this.#slot = -1
    this.#slotKey = undefined
  }

  /**
   * Stores a file. The reader may not have taken up the listing yet that the
   * node is from: then the first of them are not known for a moment.
   */
  #store(nodeId: number, parts: readonly Buffer[], isFirst: boolean): void {
    const { storePages, words } = this.#ports
    let result = storePages(nodeId, parts)
    for (let i = 0; isFirst && result === -ENOENT && i < TAKE_UP_TRIES; i++) {
      const until = performance.now() + TAKE_UP_MS
      while (performance.now() < until);
      result = storePages(nodeId, parts)
    }
    if (result > 0) Atomics.add(words, WORD.stored, 1)
  }
}
