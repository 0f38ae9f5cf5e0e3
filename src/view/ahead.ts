/**
 * What is done before it is asked for, on a thread of its own
 * (ahead-worker.ts):
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
import type { Digest } from '../objects/digest.ts'
import { FrameRing, makeRingMemory } from '../store/frame-ring.ts'
import type { RingMemory } from '../store/frame-ring.ts'
import type { Place } from '../store/pack-reader.ts'
import type { HeldDirectory } from '../system/held-path.ts'
import { siblingModule } from '../system/sibling-module.ts'

/** Frames in the ring, and how many of them are decoded ahead. */
const RING_SLOTS = 16
const FRAMES_AHEAD = 8

/** Words that the two threads share. */
export const WORD = {
  /** Raised with every piece of news. */
  bell: 0,
  /** Jobs that are done or dropped. */
  completed: 1,
  /** The job that the reader is in, and the last entry that it asked for. */
  progressJob: 2,
  progressIndex: 3,
  /** 1: drop all jobs, and say so on the wake descriptor. */
  cancel: 4,
  /** 1 while the other thread has work or looks for it. */
  awake: 5,
  /** Files that were stored. */
  stored: 6,
  count: 7,
} as const

/** A part of a file: a whole chunk. */
export interface StorePart {
  readonly digest: Digest
  readonly place: Place
}

/** A file to be stored: its parts, from its first byte to its last. */
export interface StoreItem {
  /** Its place in the directory. */
  readonly index: number
  readonly nodeId: number
  readonly parts: readonly StorePart[]
}

/** Numbers of an item and of a part in a job. */
export const ITEM_NUMBERS = 3
export const PART_NUMBERS = 4

export interface StoreJob {
  readonly id: number
  /** Names of the packs that parts count. */
  readonly packs: readonly string[]
  /** Per item index, node id, parts; per part pack, frame, offset, length. */
  readonly numbers: Float64Array
  /** 32 characters a part. */
  readonly digests: string
}

export interface AheadSetup {
  readonly memory: RingMemory
  /** The repository's directory, which the server holds open. */
  readonly repository: { readonly fd: number; readonly path: string }
  readonly framesAhead: number
  readonly port: MessagePort
  readonly fuseFd: number
  readonly wakeFd: number
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

const encodeJob = (id: number, items: readonly StoreItem[]): StoreJob => {
  const packs: string[] = []
  let parts = 0
  for (const item of items) parts += item.parts.length
  const numbers = new Float64Array(
    items.length * ITEM_NUMBERS + parts * PART_NUMBERS,
  )
  let digests = ''
  let at = 0
  for (const { index, nodeId, parts } of items) {
    numbers[at++] = index
    numbers[at++] = nodeId
    numbers[at++] = parts.length
    for (const { digest, place } of parts) {
      let pack = packs.indexOf(place.pack)
      if (pack < 0) pack = packs.push(place.pack) - 1
      numbers[at++] = pack
      numbers[at++] = place.frameOffset
      numbers[at++] = place.offsetBytes
      numbers[at++] = place.lengthBytes
      digests += digest
    }
  }
  return { id, packs, numbers, digests }
}
