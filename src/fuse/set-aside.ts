/** Requests that came while another one was in hand, and wait for their turn. */

import type { Exchange } from './exchange.ts'

/** Room for any READ. */
const USUAL_BYTES = 128

interface Kept {
  bytes: Buffer
  lengthBytes: number
  resends: number
}

/** First come, first served. Memory is used again and again. */
export class SetAside {
  readonly #waiting: Kept[] = []
  readonly #free: Kept[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Keeps a copy of the request in `exchange`. */
  push({ request, resends }: Exchange): void {
    const { bytes, lengthBytes } = request
    const kept = this.#free.pop() ?? {
      bytes: Buffer.alloc(USUAL_BYTES),
      lengthBytes,
      resends,
    }
    if (kept.bytes.length < lengthBytes) kept.bytes = Buffer.alloc(lengthBytes)
    bytes.copy(kept.bytes, 0, 0, lengthBytes)
    kept.lengthBytes = lengthBytes
    kept.resends = resends
    this.#waiting.push(kept)
  }

  /** Puts the first one into `exchange`; false when there is none. */
  shift(exchange: Exchange): boolean {
    const kept = this.#waiting.shift()
    if (kept === undefined) return false
    kept.bytes.copy(exchange.request.bytes, 0, 0, kept.lengthBytes)
    exchange.accept(kept.lengthBytes, kept.resends)
    this.#free.push(kept)
    return true
  }
}
