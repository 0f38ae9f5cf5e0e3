/**
 * Compresses frames on the other cores and gives them back in order.
 *
 * The first frames are compressed here and now: a small commit never starts a
 * thread. `drained` resolves when there is room for another frame, so that
 * memory stays bounded however fast the reader is.
 */

import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { CompressReply, CompressRequest } from './compress-worker.ts'
import { siblingModule } from '../system/sibling-module.ts'
import { encodeFrame, FRAME_BUFFER_BYTES, FRAME_TARGET_BYTES } from './frame.ts'
import type { PlainFrame } from './frame.ts'

const FRAMES_BEFORE_THREADS = 8
const QUEUED_PER_THREAD = 6
const MAX_THREADS = 8

type Receiver = (frame: Buffer) => void

interface Finished {
  readonly frame: Buffer
  /** Memory of ours, to be used again. */
  readonly memory?: ArrayBuffer
}

export class CompressPool {
  readonly #threads: Worker[] = []
  readonly #receivers = new Map<number, Receiver>()
  readonly #done = new Map<number, Finished>()
  /** Memory of frames that are written, and of plain ones that are compressed. */
  readonly #frameMemory: ArrayBuffer[] = []
  readonly #plainMemory: ArrayBuffer[] = []
  #submitted = 0
  #delivered = 0
  #failure: Error | undefined
  #waiting: (() => void)[] = []

  readonly #level: number | undefined

  /** Compresses at a level of zstd; without, each frame at that of its kind. */
  constructor(level?: number) {
    this.#level = level
  }

  /**
   * `FRAME_TARGET_BYTES` for a plain frame. Memory is used again: for every
   * frame anew, the collector would have gigabytes to collect.
   */
  takePlain(): Buffer {
    const memory = this.#plainMemory.pop()
    return Buffer.from(memory ?? new ArrayBuffer(FRAME_TARGET_BYTES))
  }

  /**
   * Compresses `frame`, whose memory is not the caller's any more; `receive`
   * is called in the order of submission, with bytes valid until it returns.
   */
  submit(frame: PlainFrame, receive: Receiver): void {
    const sequence = this.#submitted++
    this.#receivers.set(sequence, receive)
    if (sequence < FRAMES_BEFORE_THREADS) {
      this.#finish(sequence, {
        frame: encodeFrame(frame, undefined, this.#level),
      })
      this.#keepPlain(frame.plain.buffer as ArrayBuffer)
      return
    }
    if (this.#threads.length === 0) this.#start()
    const thread = this.#threads[sequence % this.#threads.length] as Worker
    const into = this.#frameMemory.pop() ?? new ArrayBuffer(FRAME_BUFFER_BYTES)
    const request: CompressRequest = {
      sequence,
      ...frame,
      into,
      level: this.#level,
    }
    thread.postMessage(request, [
      frame.table.buffer as ArrayBuffer,
      frame.plain.buffer as ArrayBuffer,
      into,
    ])
  }

  /** Passes a finished frame through, in its turn. */
  pass(frame: Buffer, receive: Receiver): void {
    const sequence = this.#submitted++
    this.#receivers.set(sequence, receive)
    this.#finish(sequence, { frame })
  }

  /** Whether the queue is long. */
  isBehind(): boolean {
    return (
      this.#failure !== undefined ||
      this.#submitted - this.#delivered >
        this.#threads.length * QUEUED_PER_THREAD
    )
  }

  /** Resolves when the queue is short again (or, with `all`, empty). */
  async drained(all = false): Promise<void> {
    const limit = all ? 0 : this.#threads.length * QUEUED_PER_THREAD
    while (this.#submitted - this.#delivered > limit) {
      if (this.#failure !== undefined) throw this.#failure
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.terminate()))
  }

  #start(): void {
    const count = Math.min(availableParallelism(), MAX_THREADS)
    for (let i = 0; i < count; i++) {
      const thread = new Worker(
        siblingModule(import.meta.url, 'compress-worker'),
      )
      thread.on('message', ({ sequence, frame, plain }: CompressReply) => {
        const memory = frame.buffer as ArrayBuffer
        this.#keepPlain(plain)
        this.#finish(sequence, {
          frame: Buffer.from(memory, frame.byteOffset, frame.length),
          memory,
        })
      })
      thread.on('error', error => {
        this.#failure ??= error
        this.#wake()
      })
      this.#threads.push(thread)
    }
  }

  #finish(sequence: number, finished: Finished): void {
    this.#done.set(sequence, finished)
    for (;;) {
      const next = this.#done.get(this.#delivered)
      if (next === undefined) break
      const receive = this.#receivers.get(this.#delivered) as Receiver
      this.#done.delete(this.#delivered)
      this.#receivers.delete(this.#delivered)
      this.#delivered++
      try {
        receive(next.frame)
      } catch (error) {
        this.#failure ??= error as Error
      }
      if (next.memory?.byteLength === FRAME_BUFFER_BYTES)
        this.#frameMemory.push(next.memory)
    }
    this.#wake()
  }

  #keepPlain(memory: ArrayBuffer): void {
    if (memory.byteLength === FRAME_TARGET_BYTES) this.#plainMemory.push(memory)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
