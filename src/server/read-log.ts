/**
 * Which objects a server read, in the order in which it first did: what the
 * boot of a machine needs is asked for once it is up (machine/profile.ts).
 */

import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'

/** More than a boot reads; then it is full, and nothing is added. */
const MAX_OBJECTS = 1 << 15

export class ReadLog {
  readonly #seen = new Set<Digest>()

  note(digest: Digest): void {
    if (this.#seen.size < MAX_OBJECTS) this.#seen.add(digest)
  }

  /** In hex. */
  list(): string[] {
    return [...this.#seen].map(digestToHex)
  }
}
