/** A request that one server after another died with is not tried for ever. */

import * as kernel from './layout.ts'

/** The request that was in hand when the last server died, over and over. */
export interface InHand {
  /** Its unique, as two words. */
  readonly unique: Uint32Array
  /** Servers that died with it, one number. */
  readonly deaths: Uint32Array
}

/** A request that this many servers died with is answered with EIO. */
export const FATAL_DEATHS = 3

const lowOf = (bytes: Buffer): number => bytes.readUInt32LE(kernel.IN_UNIQUE)
/** The kernel marks a request that it sends again in the highest bit. */
const highOf = (bytes: Buffer): number =>
  bytes.readUInt32LE(kernel.IN_UNIQUE + 4) & 0x7fffffff

export class FatalRequest {
  #low = 0
  #high = 0
  #isKnown = false

  /** A server died with the request in `bytes`; counts in `inHand`. */
  countDeath(bytes: Buffer, { unique, deaths }: InHand): void {
    const low = lowOf(bytes)
    const high = highOf(bytes)
    const isSame = unique[0] === low && unique[1] === high
    deaths[0] = isSame ? (deaths[0] as number) + 1 : 1
    unique[0] = low
    unique[1] = high
    if (deaths[0] < FATAL_DEATHS) return
    this.#low = low
    this.#high = high
    this.#isKnown = true
  }

  /** Whether the request in `bytes` is not to be tried again. */
  isIn(bytes: Buffer): boolean {
    return (
      this.#isKnown &&
      lowOf(bytes) === this.#low &&
      highOf(bytes) === this.#high
    )
  }
}
