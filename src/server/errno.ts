/** The one place that turns an error into the errno that the kernel gets. */

import { DendroError } from '../errors.ts'
import { EIO } from '../system/errno.ts'
import { writeNote } from '../system/standard-streams.ts'

/** Counts of reads that failed, by error code, since the server began. */
export const failures = new Map<string, number>()

/**
 * Damage and surprises alike are EIO to the client; the log gets one line with
 * the reason, at most one per kind and second.
 */
export const toErrno = (error: unknown): number => {
  const code = error instanceof DendroError ? error.code : 'BUG'
  failures.set(code, (failures.get(code) ?? 0) + 1)
  log(code, error)
  if (error instanceof DendroError) onFailure?.(error)
  return EIO
}

// One view a process, whose handlers are given `toErrno` as a plain function.
let onFailure: ((error: DendroError) => void) | undefined

/** Has every failure told to `told`, besides the log. */
export const tellFailures = (told: (error: DendroError) => void): void => {
  onFailure = told
}

const lastLogged = new Map<string, number>()

const log = (code: string, error: unknown): void => {
  const now = Date.now()
  if (now - (lastLogged.get(code) ?? 0) < 1000) return
  lastLogged.set(code, now)
  const text =
    error instanceof DendroError
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error)
  writeNote(`dendro: ${code}: ${text}\n`)
}
