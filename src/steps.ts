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

/**
 * The same where a step may have to wait: it yields what it waits for, and may
 * be taken again once that is settled.
 */
export type WaitingSteps<T> = Generator<
  Promise<unknown> | undefined,
  T,
  undefined
>

/** Does all steps one after the other. Rejects with what one of them throws. */
export const finishWaiting = async <T>(steps: WaitingSteps<T>): Promise<T> => {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
    // What it was rejected with is thrown by the step that waits for it.
    await value?.catch(() => undefined)
  }
}

/** What a promise is settled with, or throws what it was rejected with. */
export function* settled<T>(promise: Promise<T>): WaitingSteps<T> {
  let outcome: { readonly value: T } | { readonly reason: unknown } | undefined
  promise.then(
    value => void (outcome = { value }),
    (reason: unknown) => void (outcome = { reason }),
  )
  while (outcome === undefined) yield promise
  if ('reason' in outcome) throw outcome.reason
  return outcome.value
}
