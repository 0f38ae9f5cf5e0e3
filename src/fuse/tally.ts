/**
 * What became of the requests, beside how many came of each kind. Between two
 * requests, for ever and whatever happened,
 *
 *     received = answered + refused + forgotten + unwanted + abandoned
 *
 * The numbers stand behind those by opcode, in memory that outlives the server;
 * only the serving thread writes them.
 */

import { MAX_COUNTED_OPCODE } from './layout.ts'

/** Places behind the counters by opcode. */
const ANSWERED = MAX_COUNTED_OPCODE + 1
/** Counted by the native part (`fuseReceive`). */
export const REFUSED = ANSWERED + 1
const FORGOTTEN = REFUSED + 1
const UNWANTED = FORGOTTEN + 1
const ABANDONED = UNWANTED + 1
/** How many numbers there are in all. */
export const COUNTERS = ABANDONED + 1

export interface Outcomes {
  readonly received: number
  /** The kernel took the answer, be it an error. */
  readonly answered: number
  /** The same by the native part: ioctls that are refused in any case. */
  readonly refused: number
  /** No answer is owed: FORGET and its like. */
  readonly forgotten: number
  /** The kernel did not take the answer. */
  readonly unwanted: number
  /** In the hands of a server that died. The kernel sends them again. */
  readonly abandoned: number
}

/** Memory for the counters of this process alone. */
export const makeCounters = (): Float64Array =>
  new Float64Array(new SharedArrayBuffer(COUNTERS * 8))

export const outcomesOf = (counters: Float64Array): Outcomes => {
  const at = (place: number): number => counters[place] as number
  let received = 0
  for (let opcode = 0; opcode <= MAX_COUNTED_OPCODE; opcode++)
    received += at(opcode)
  return {
    received,
    answered: at(ANSWERED),
    refused: at(REFUSED),
    forgotten: at(FORGOTTEN),
    unwanted: at(UNWANTED),
    abandoned: at(ABANDONED),
  }
}

/** How many requests came of each opcode, of those that came. */
export const countsByOpcode = (
  counters: Float64Array,
): [opcode: number, count: number][] =>
  [...counters.subarray(0, MAX_COUNTED_OPCODE + 1).entries()].filter(
    ([, count]) => count > 0,
  )

/** Received, and nothing has become of them yet. */
export const outstandingIn = (counters: Float64Array): number => {
  const { received, ...settled } = outcomesOf(counters)
  return Object.values(settled).reduce((left, count) => left - count, received)
}

export class Tally {
  readonly counters: Float64Array

  /** Over `COUNTERS` numbers. */
  constructor(counters: Float64Array) {
    this.counters = counters
  }

  received(opcode: number): void {
    this.#add(Math.min(opcode, MAX_COUNTED_OPCODE))
  }

  answered(): void {
    this.#add(ANSWERED)
  }

  forgotten(): void {
    this.#add(FORGOTTEN)
  }

  unwanted(): void {
    this.#add(UNWANTED)
  }

  /** The server before this one died with what it had in hand. */
  abandon(): void {
    this.#add(ABANDONED, outstandingIn(this.counters))
  }

  #add(place: number, count = 1): void {
    this.counters[place] = (this.counters[place] as number) + count
  }
}
