/**
 * Requests that nobody answers are asked for again. A client whose request was
 * lost sleeps for ever, and cannot be killed: whatever loses one, a server that
 * is idle while clients wait has the kernel send again what it has no answer
 * to (NOTIFY_RESEND), and says so. docs/reliability.md
 */

/** How often to look, and how long a server is idle while clients wait. */
export const HEAL_LOOK_MS = 2000
const IDLE_MS = 4000
/** Resends in a row that change nothing. */
const MAX_RESENDS = 3

export interface Healed {
  /** Requests received so far. */
  received(): number
  /** Whether one is being answered. */
  isInHand(): boolean
  /** Requests that clients wait for. */
  waiting(): number
  /** Has them sent again; false where the kernel cannot. */
  resend(): Promise<boolean>
  /** Tells of an event. */
  tell(type: string, details: Readonly<Record<string, unknown>>): void
  /** Milliseconds of any clock that does not go back. */
  now(): number
}

export class Healing {
  readonly #healed: Healed
  #received = -1
  #idleSince = 0
  /** Resends since no client waited for an idle server. */
  #resends = 0
  #isGivenUp = false

  constructor(healed: Healed) {
    this.#healed = healed
  }

  /** Looks whether clients wait in vain, and does something about it. */
  async look(): Promise<void> {
    const healed = this.#healed
    const received = healed.received()
    if (received !== this.#received || healed.isInHand()) {
      this.#received = received
      this.#idleSince = healed.now()
      return
    }
    if (healed.now() - this.#idleSince < IDLE_MS << this.#resends) return
    const waiting = healed.waiting()
    if (waiting === 0) {
      this.#resends = 0
      this.#isGivenUp = false
    } else if (!this.#isGivenUp) await this.#heal(waiting)
  }

  async #heal(waiting: number): Promise<void> {
    const healed = this.#healed
    this.#idleSince = healed.now()
    if (this.#resends < MAX_RESENDS && (await healed.resend())) {
      this.#resends++
      healed.tell('requests-resent', { waiting })
    } else {
      this.#isGivenUp = true
      healed.tell('requests-unanswered', { waiting })
    }
  }
}
