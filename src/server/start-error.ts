/** How a server that could not start tells the process that waits for it. */

import { DendroError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'

/** One line for the waiting process. */
export const describeStartError = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error)
  const isKnown = error instanceof DendroError
  return JSON.stringify({
    code: isKnown ? error.code : 'MOUNT_FAILED',
    message: isKnown ? message : `cannot serve: ${message}`,
    hint: isKnown ? error.hint : undefined,
  })
}

/** Counterpart of `describeStartError`; `log` is where more may stand. */
export const parseStartError = (line: string, log: string): DendroError => {
  try {
    const { code, message, hint } = JSON.parse(line) as {
      code: ErrorCode
      message: string
      hint?: string
    }
    return new DendroError(code, message, { hint: hint ?? `its log is ${log}` })
  } catch {
    return new DendroError(
      'MOUNT_FAILED',
      'cannot mount: the server ended at once',
      { hint: `its log is ${log}` },
    )
  }
}
