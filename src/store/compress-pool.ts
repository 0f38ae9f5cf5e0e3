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
import { encodeFrame } from './frame.ts'
import type { PlainFrame } from './frame.ts'

const FRAMES_BEFORE_THREADS = 8
const QUEUED_PER_THREAD = 6
const MAX_THREADS = 8

type Receiver = (frame: Buffer) => void

export class CompressPool {
  readonly #threads: Worker[] = []
  readonly #receivers = new Map<number, Receiver>()
  readonly #done = new Map<number, Buffer>()
  #submitted = 0
  #delivered = 0
  #failure: Error | undefined
  #waiting: (() => void)[] = []

  /** Compresses `frame`; `receive` is called in the order of submission. */
  submit(frame: PlainFrame, receive: Receiver): void {
    const sequence = this.#submitted++
    this.#receivers.set(sequence, receive)
    if (sequence < FRAMES_BEFORE_THREADS) {
      this.#finish(sequence, encodeFrame(frame))
      return
    }
    if (this.#threads.length === 0) this.#start()
    const thread = this.#threads[sequence % this.#threads.length] as Worker
    const request: CompressRequest = { sequence, ...frame }
    thread.postMessage(request, [
      frame.table.buffer as ArrayBuffer,
      frame.plain.buffer as ArrayBuffer,
    ])
  }

  /** Passes a finished frame through, in its turn. */
  pass(frame: Buffer, receive: Receiver): void {
    const sequence = this.#submitted++
    this.#receivers.set(sequence, receive)
    this.#finish(sequence, frame)
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
      thread.on('message', ({ sequence, frame }: CompressReply) => {
        this.#finish(sequence, Buffer.from(frame.buffer))
      })
      thread.on('error', error => {
        this.#failure ??= error
        this.#wake()
      })
      this.#threads.push(thread)
    }
  }

  #finish(sequence: number, frame: Buffer): void {
    this.#done.set(sequence, frame)
    for (;;) {
      const next = this.#done.get(this.#delivered)
      if (next === undefined) break
      const receive = this.#receivers.get(this.#delivered) as Receiver
      this.#done.delete(this.#delivered)
      this.#receivers.delete(this.#delivered)
      this.#delivered++
      try {
        receive(next)
      } catch (error) {
        this.#failure ??= error as Error
      }
    }
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
