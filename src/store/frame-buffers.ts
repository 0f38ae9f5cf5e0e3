/**
 * Buffers for decompressed frames, used again when their frame leaves the
 * cache. A server that reads gigabytes then makes no garbage of that size, and
 * stays as large as its cache.
 *
 * Who gives a buffer back says that nobody looks at it any more.
 */

import { FRAME_TARGET_BYTES } from './frame.ts'

/** Kept for frames to come; one is enough for a cache that is full. */
const MAX_FREE = 8

export class FrameBuffers {
  readonly #free: ArrayBuffer[] = []

  /** `length` bytes of anything. Larger ones than frames have are made anew. */
  take(length: number): Buffer {
    if (length > FRAME_TARGET_BYTES) return Buffer.allocUnsafeSlow(length)
    const slot = this.#free.pop() ?? new ArrayBuffer(FRAME_TARGET_BYTES)
    return Buffer.from(slot, 0, length)
  }

  /** Takes back what `take` gave. */
  give({ buffer, byteOffset }: Buffer): void {
    const isSlot =
      buffer instanceof ArrayBuffer &&
      byteOffset === 0 &&
      buffer.byteLength === FRAME_TARGET_BYTES
    if (isSlot && this.#free.length < MAX_FREE) this.#free.push(buffer)
  }
}
