/**
 * In what order requests are served, and how long is waited for the next one.
 * Knows nothing of what a request says: the source does (session.ts).
 *
 * One thread; nothing waits for anything but the source. A request that is
 * answered in steps waits while another one is in hand; between two steps of
 * that one whatever else came is answered. While nothing comes, what may be
 * asked next is prepared; when there is nothing to prepare the thread sleeps.
 */

import type { Steps, Through } from '../steps.ts'
import { Burst } from './burst.ts'

/**
 * What came of waiting: a request; a call on the wake descriptor; nothing, in
 * the time given; the end, since the source is gone or broken.
 */
export type Arrival = 'request' | 'call' | 'nothing' | 'end'

/** Where requests come from; `Slot` has room for one and its answer. */
export interface RequestSource<Slot> {
  /**
   * Receives into `slot`: looks for `spinMicros`, then sleeps for `timeoutMs`,
   * or FOR_EVER; with NO_SLEEP for the first asks for what is there alone.
   */
  receive(slot: Slot, spinMicros: number, timeoutMs: number): Arrival
  /** Whether the request is answered in steps: then it can wait. */
  isInSteps(slot: Slot): boolean
  /** Answers the request in `slot`, which is free then. */
  serve(slot: Slot): void
  /** Frees a slot whose request was set aside. */
  clear(slot: Slot): void
}

/** Requests that wait for their turn: first come, first served. */
export interface SlotQueue<Slot> {
  readonly isEmpty: boolean
  /** Keeps a copy of what is in `slot`. */
  push(slot: Slot): void
  /** Puts the first one into `slot`. */
  shift(slot: Slot): boolean
}

export interface SchedulerOptions<Slot> {
  readonly source: RequestSource<Slot>
  /** Requests that came while another one was in hand. */
  readonly aside: SlotQueue<Slot>
  /** How long to spin for the next request before sleeping. */
  readonly spinMicros: () => number
  /** Whether anything may be served between two steps. */
  readonly mayServeBetween: () => boolean
  /** What follows from the answers that have left, in steps. */
  readonly followUp?: (() => Steps<void> | undefined) | undefined
  /** Prepares a little of what may be asked next; false: there is nothing. */
  readonly idle?: (() => boolean) | undefined
  /** Told when requests begin to come one right behind the other, and end to. */
  readonly onBurst?: ((isOn: boolean) => void) | undefined
  /** Whether `onWake` is to be called though requests come without a pause. */
  readonly isCalled?: (() => boolean) | undefined
  /** Called when the wake descriptor was written to; true: stop serving. */
  readonly onWake: () => boolean
}

/** Ask for a request that is there already. */
export const NO_SLEEP = -1
export const FOR_EVER = -1

/** So many others are answered between two steps of what is in hand. */
const MAX_BETWEEN = 16

/** The source failed, not what was asked for: nobody can be answered. */
export class SourceFailed extends Error {}

export class Scheduler<Slot> {
  readonly #options: SchedulerOptions<Slot>
  readonly #source: RequestSource<Slot>
  readonly #aside: SlotQueue<Slot>
  readonly #burst: Burst
  /** What is in hand, and what is served between two steps of it. */
  readonly #inHand: Slot
  readonly #between: Slot
  #settlesAt: number | undefined
  #settle: (() => void) | undefined

  constructor(inHand: Slot, between: Slot, options: SchedulerOptions<Slot>) {
    this.#inHand = inHand
    this.#between = between
    this.#options = options
    this.#source = options.source
    this.#aside = options.aside
    this.#burst = new Burst(options.onBurst ?? (() => undefined))
  }

  /** Calls `then` once, so long from now; until then requests alone are served. */
  settle(afterMs: number, then: () => void): void {
    this.#settlesAt = performance.now() + afterMs
    this.#settle = then
  }

  /** Serves until the source ends or `onWake` says to stop. Blocks the thread. */
  run(): 'end' | 'stopped' {
    try {
      return this.#serveAll()
    } finally {
      this.#burst.quiet()
    }
  }

  /**
   * Does work step by step; who looks up a name does not wait for a megabyte
   * of somebody else.
   */
  readonly through: Through = <T>(steps: Steps<T>): T => {
    const mayServe = this.#options.mayServeBetween()
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
      if (!mayServe) continue
      try {
        this.#serveWaiting()
      } catch (cause) {
        throw new SourceFailed(`cannot serve: ${String(cause)}`, { cause })
      }
    }
  }

  #serveAll(): 'end' | 'stopped' {
    const { onWake, isCalled } = this.#options
    for (;;) {
      if (this.#serveAside()) continue
      if (isCalled?.() === true && onWake()) return 'stopped'
      switch (this.#next()) {
        case 'request':
          this.#serveInHand()
          break
        case 'call':
          if (onWake()) return 'stopped'
          break
        case 'end':
          return 'end'
        case 'nothing':
      }
    }
  }

  /** Has the next request in hand. 'nothing': there is something else to do. */
  #next(): Arrival {
    const { idle, spinMicros } = this.#options
    const settlesMs = this.#untilSettled()
    const isSettled = settlesMs === FOR_EVER
    if (isSettled && idle !== undefined) {
      const arrival = this.#receive(this.#inHand, NO_SLEEP, FOR_EVER)
      if (arrival !== 'nothing' || idle()) return arrival
    }
    const patienceMs = isSettled ? this.#burst.patienceMs : settlesMs
    const arrival = this.#receive(this.#inHand, spinMicros(), patienceMs)
    if (arrival === 'nothing') this.#burst.quiet()
    return arrival
  }

  #receive(slot: Slot, spinMicros: number, timeoutMs: number): Arrival {
    const arrival = this.#source.receive(slot, spinMicros, timeoutMs)
    if (arrival === 'request') this.#burst.arrived()
    return arrival
  }

  /** Milliseconds until there is something to do besides requests. */
  #untilSettled(): number {
    if (this.#settlesAt === undefined) return FOR_EVER
    const left = Math.ceil(this.#settlesAt - performance.now())
    if (left > 0) return left
    this.#settlesAt = undefined
    this.#settle?.()
    return FOR_EVER
  }

  /** Answers what came meanwhile, and the first request that was set aside. */
  #serveAside(): boolean {
    if (this.#aside.isEmpty) return false
    this.#serveWaiting()
    this.#aside.shift(this.#inHand)
    this.#serveInHand()
    return true
  }

  /** Answers what is there already; what is done in steps is set aside. */
  #serveWaiting(): void {
    const between = this.#between
    for (let i = 0; i < MAX_BETWEEN; i++) {
      // Anything else is met again by who waits for the next request.
      if (this.#receive(between, NO_SLEEP, FOR_EVER) !== 'request') return
      if (this.#source.isInSteps(between)) {
        this.#aside.push(between)
        this.#source.clear(between)
      } else this.#source.serve(between)
    }
  }

  /** Answers what is in hand, and does what follows from it. */
  #serveInHand(): void {
    this.#source.serve(this.#inHand)
    const steps = this.#options.followUp?.()
    if (steps !== undefined) this.through(steps)
  }
}
