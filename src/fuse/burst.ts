/**
 * Tells when requests come one right behind the other, and when that is over.
 */

/** So many requests in so long are a burst: a walk sends three times as many. */
const REQUESTS = 32
const WITHIN_MS = 10
/** A burst is over when nothing came for so long. */
const QUIET_MS = 20
const FOR_EVER = -1

export class Burst {
  readonly #onChange: (isOn: boolean) => void
  readonly #now: () => number
  #isOn = false
  #requests = 0
  #since = 0

  /** `now` tells milliseconds of any clock that does not go back. */
  constructor(
    onChange: (isOn: boolean) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#onChange = onChange
    this.#now = now
  }

  /** How long to wait for the next request before `quiet` is called. */
  get patienceMs(): number {
    return this.#isOn ? QUIET_MS : FOR_EVER
  }

  /** A request came. */
  arrived(): void {
    if (++this.#requests < REQUESTS) return
    const now = this.#now()
    this.#set(now - this.#since < WITHIN_MS)
    this.#requests = 0
    this.#since = now
  }

  /** None came. */
  quiet(): void {
    this.#set(false)
  }

  #set(isOn: boolean): void {
    if (isOn === this.#isOn) return
    this.#isOn = isOn
    this.#onChange(isOn)
  }
}
