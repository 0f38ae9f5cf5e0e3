/**
 * Buffers for decompressed frames, used again when their frame leaves the
 * cache. A server that reads gigabytes then makes no garbage of that size, and
 * stays as large as its cache.
 *
 * A buffer that was given back is used again after `release`.
 */

import { FRAME_TARGET_BYTES } from './frame.ts'

/** Kept for frames to come; one is enough for a cache that is full. */
const MAX_FREE = 8

export class FrameBuffers {
  readonly #free: ArrayBuffer[] = []
  /** Given back, but somebody may still look at them. */
  readonly #waiting: ArrayBuffer[] = []

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
    if (isSlot && this.#waiting.length < MAX_FREE) this.#waiting.push(buffer)
  }

  /** Nobody looks at what was given back before. */
  release(): void {
    for (const slot of this.#waiting)
      if (this.#free.length < MAX_FREE) this.#free.push(slot)
    this.#waiting.length = 0
  }
}
