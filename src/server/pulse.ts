/**
 * Answers the keeper's pings on behalf of the serving thread: only while that
 * thread serves. Another thread that answers for it would hide that it hangs.
 */

/** How often to look at a serving thread that has not answered yet. */
const LOOK_MS = 100

export interface Beating {
  /** Requests received so far. */
  received(): number
  /**
   * Whether a request is being answered: how long that may take the keeper
   * sees by itself.
   */
  isInHand(): boolean
  /** Resolves when the serving thread says that it serves. */
  ask(): Promise<unknown>
}

export class Pulse {
  readonly #beating: Beating
  #looking: NodeJS.Timeout | undefined

  constructor(beating: Beating) {
    this.#beating = beating
  }

  /** Calls `alive` once the serving thread serves; else never. */
  check(alive: () => void): void {
    if (this.#looking !== undefined) return
    const before = this.#beating.received()
    const done = (): void => {
      if (this.#looking === undefined) return
      clearInterval(this.#looking)
      this.#looking = undefined
      alive()
    }
    this.#looking = setInterval(() => {
      // It does not look up while requests come without a pause.
      const isMoving = this.#beating.received() !== before
      if (isMoving || this.#beating.isInHand()) done()
    }, LOOK_MS)
    void this.#beating.ask().then(done)
  }
}
