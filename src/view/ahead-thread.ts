/**
 * What the thread that works ahead does, job by job and frame by frame: see
 * ahead.ts. It is started by ahead-worker.ts.
 */

import type { FrameDecoder } from '../store/frame-decoder.ts'
import { packKey } from '../store/frame-ring.ts'
import type { PackKey } from '../store/frame-ring.ts'
import { isCancelled, WORD } from './ahead-words.ts'
import { FileStorer } from './file-storer.ts'
import type { FileStorerPorts } from './file-storer.ts'
import { lastFrameOf } from './store-job.ts'
import type { StoreJob } from './store-job.ts'

/** Jobs that wait; of a longer queue the oldest are late and dropped. */
const MAX_JOBS = 64
/** Frames decoded behind the last one of a job. */
const FRAMES_BEHIND_JOB = 10
/** How long to look for news before sleeping: being woken takes longer. */
const SPIN_MS = 0.2
/** Packs are let go of when nothing was asked for so long. */
const IDLE_MS = 5000

export interface AheadPorts extends FileStorerPorts {
  readonly decoder: Pick<FrameDecoder, 'decode' | 'close'>
  /** Frames decoded from where the reader aims. */
  readonly framesAhead: number
  /** The next job that was submitted; undefined when there is none. */
  readonly nextJob: () => StoreJob | undefined
  /** Wakes the serving thread. */
  readonly wake: () => void
}

export class AheadThread {
  readonly #ports: AheadPorts
  readonly #storer: FileStorer
  readonly #jobs: StoreJob[] = []
  /** Where decoding goes on, and for how many frames. */
  #key: PackKey | undefined
  #next: number | undefined
  #left = 0
  /** The aim that was followed last. */
  #aimed = 0

  constructor(ports: AheadPorts) {
    this.#ports = ports
    this.#storer = new FileStorer(ports)
  }

  /** Works as long as the process lives; sleeps while nothing is to be done. */
  run(): never {
    const { words, wake } = this.#ports
    for (;;) {
      const bell = Atomics.load(words, WORD.bell)
      this.takeJobs()
      if (isCancelled(words)) {
        wake()
        Atomics.wait(words, WORD.bell, bell)
      } else if (!this.step() && !this.#spin(bell)) this.#sleep(bell)
    }
  }

  /** Takes what was submitted; drops it where it is cancelled, or too much. */
  takeJobs(): void {
    const { words, nextJob } = this.#ports
    for (let job = nextJob(); job !== undefined; job = nextJob())
      this.#jobs.push(job)
    while (
      this.#jobs.length > MAX_JOBS ||
      (isCancelled(words) && this.#jobs.length > 0)
    ) {
      this.#jobs.shift()
      Atomics.add(words, WORD.completed, 1)
    }
  }

  /** Does one piece of work; false when there is none. */
  step(): boolean {
    const { ring, decoder, words, framesAhead } = this.#ports
    const job = this.#jobs.shift()
    if (job !== undefined) {
      this.#storer.run(job)
      Atomics.add(words, WORD.completed, 1)
      const last = lastFrameOf(job)
      this.#key = packKey(last.pack)
      this.#next = decoder.decode(this.#key, last.frameOffset)
      this.#left = FRAMES_BEHIND_JOB
      return true
    }
    const aim = ring.readAim()
    if (aim !== undefined && aim.sequence !== this.#aimed) {
      this.#aimed = aim.sequence
      this.#key = aim
      this.#next = aim.frameOffset
      this.#left = framesAhead
    }
    if (this.#key === undefined || this.#next === undefined || this.#left === 0)
      return false
    this.#next = decoder.decode(this.#key, this.#next)
    this.#left--
    return true
  }

  /** Whether news came while looking for it. */
  #spin(bell: number): boolean {
    const { words } = this.#ports
    const until = performance.now() + SPIN_MS
    do {
      for (let i = 0; i < 64; i++)
        if (Atomics.load(words, WORD.bell) !== bell) return true
    } while (performance.now() < until)
    return false
  }

  #sleep(bell: number): void {
    const { words, decoder } = this.#ports
    Atomics.store(words, WORD.awake, 0)
    if (Atomics.wait(words, WORD.bell, bell, IDLE_MS) === 'timed-out') {
      decoder.close()
      Atomics.wait(words, WORD.bell, bell)
    }
    Atomics.store(words, WORD.awake, 1)
  }
}
