/**
 * What is done before it is asked for, on a thread of its own
 * (ahead-thread.ts):
 *
 * - frames that follow the one being read are decoded into a ring;
 * - files that will be read next are put into the page cache, so that no READ
 *   comes for them at all.
 *
 * The thread may sleep in the kernel on a page that a READ locks; the serving
 * thread never waits for it in that state. docs/decisions/ahead.md
 */

import { MessageChannel, Worker } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { FrameRing, makeRingMemory } from '../store/frame-ring.ts'
import type { RingMemory } from '../store/frame-ring.ts'
import type { HeldDirectory } from '../system/held-path.ts'
import { siblingModule } from '../system/sibling-module.ts'
import { WORD } from './ahead-words.ts'
import { encodeJob } from './store-job.ts'
import type { StoreItem } from './store-job.ts'

/** Frames in the ring, and how many of them are decoded ahead. */
const RING_SLOTS = 16
const FRAMES_AHEAD = 8

export interface AheadSetup {
  readonly memory: RingMemory
  /** The repository's directory, which the server holds open. */
  readonly repository: { readonly fd: number; readonly path: string }
  readonly framesAhead: number
  readonly port: MessagePort
  readonly fuseFd: number
  readonly wakeFd: number
  /** See `WORD`. */
  readonly words: Int32Array
}

export class Ahead {
  readonly ring: FrameRing
  readonly #memory = makeRingMemory(RING_SLOTS)
  readonly #ports = new MessageChannel()
  readonly #words = new Int32Array(new SharedArrayBuffer(WORD.count * 4))
  #submitted = 0
  #isStarted = false

  constructor() {
    this.ring = new FrameRing(this.#memory, () => this.#ring())
  }

  /** Whether files are being stored: node ids that it was told are in use. */
  get isBusy(): boolean {
    return Atomics.load(this.#words, WORD.completed) !== this.#submitted
  }

  /** Whether the other thread uses a core. */
  get isAwake(): boolean {
    return Atomics.load(this.#words, WORD.awake) === 1
  }

  get storedFiles(): number {
    return Atomics.load(this.#words, WORD.stored)
  }

  /** Stores files; the number of the job. */
  store(items: readonly StoreItem[]): number {
    const id = ++this.#submitted
    this.#ports.port1.postMessage(encodeJob(id, items))
    this.#ring()
    return id
  }

  /** The reader asked for entry `index` itself: what is before it is late. */
  progress(job: number, index: number): void {
    Atomics.store(this.#words, WORD.progressIndex, index)
    Atomics.store(this.#words, WORD.progressJob, job)
  }

  /** Drops what is not done yet; the wake descriptor tells when it is. */
  cancel(): void {
    Atomics.store(this.#words, WORD.cancel, 1)
    this.#ring()
  }

  resume(): void {
    Atomics.store(this.#words, WORD.cancel, 0)
  }

  start({ fd, path }: HeldDirectory, fuseFd: number, wakeFd: number): void {
    if (this.#isStarted) return
    this.#isStarted = true
    const setup: AheadSetup = {
      memory: this.#memory,
      repository: { fd, path },
      framesAhead: FRAMES_AHEAD,
      port: this.#ports.port2,
      fuseFd,
      wakeFd,
      words: this.#words,
    }
    new Worker(siblingModule(import.meta.url, 'ahead-worker'), {
      workerData: setup,
      transferList: [this.#ports.port2],
      stdout: false,
      stderr: false,
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    })
  }

  #ring(): void {
    Atomics.add(this.#words, WORD.bell, 1)
    Atomics.notify(this.#words, WORD.bell)
  }
}
