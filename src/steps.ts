/**
 * Work that is done in steps, for who has something else to do between two of
 * them. A step takes a fraction of a millisecond where it can.
 */

export type Steps<T> = Generator<undefined, T, undefined>

/** Does work in steps to its end, as it sees fit. Throws what a step throws. */
export type Through = <T>(steps: Steps<T>) => T

/** Does all steps at once. Throws what one of them throws. */
export const finish = <T>(steps: Steps<T>): T => {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}
