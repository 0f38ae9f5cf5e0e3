/** What the verbs print: results to stdout, progress to stderr on a terminal. */

import { isatty } from 'node:tty'
import { bytesToText, textToBytes } from '../../bytes/byte-text.ts'
import {
  latin1ToBytes,
  latin1ToDisplay,
  lineToDisplay,
} from '../../bytes/latin1.ts'
import { DendroError, errnoOf, wrapSystemError } from '../../errors.ts'
import { writeNote, writeOutput } from '../../system/standard-streams.ts'
import { formatBytes, formatDuration } from '../../units.ts'

// What the command of this process did: a process runs one.
let done: string | undefined

/** What was done and is to be said all the same when the output is lost. */
export const noteDone = (what: string): void => {
  done = what
}

/**
 * Writes bytes to stdout. A reader that has gone, such as `head`, is no failure:
 * the program ends. Errors: `NO_SPACE`, `IO_ERROR`, with what was done.
 */
export const printBytes = (bytes: Uint8Array): void => {
  try {
    writeOutput(bytes)
  } catch (error) {
    if (errnoOf(error) === 'EPIPE') process.exit()
    const { code, message, hint } = wrapSystemError(
      'cannot write to standard output',
      error,
    )
    throw new DendroError(code, message, {
      cause: error,
      hint: done ?? hint ?? 'write it elsewhere',
    })
  }
}

const printText = (text: string): void => printBytes(textToBytes(`${text}\n`))

/** Writes lines to stdout at once; what cannot be shown in them is quoted. */
export const printLines = (lines: readonly string[]): void =>
  printText(lines.map(lineToDisplay).join('\n'))

export const print = (line: string): void => printLines([line])

const LINES_AT_ONCE = 1024

/**
 * Writes many lines to stdout as they are, a thousand at a time: a write for
 * each would be a third of the time, and one for all would keep them in memory.
 */
export class LinePrinter {
  #lines: string[] = []

  add(line: string): void {
    if (this.#lines.push(line) === LINES_AT_ONCE) this.flush()
  }

  /** Writes what is left. */
  flush(): void {
    if (this.#lines.length > 0) printText(this.#lines.join('\n'))
    this.#lines = []
  }
}

/**
 * Writes raw bytes (latin1 text) and a newline to stdout; what a terminal would
 * obey is quoted for one, and left to programs as it is.
 */
export const printRaw = (latin1: string): void => {
  if (isatty(1)) print(bytesToText(latin1ToBytes(latin1)))
  else printBytes(latin1ToBytes(`${latin1}\n`))
}

/** What JSON leaves as it is, and a terminal would obey or turn around. */
const UNSAFE_IN_JSON =
  /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const escapeInJson = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

export const printJson = (value: unknown): void => {
  const text = JSON.stringify(value, undefined, 2)
  printText(text.replace(UNSAFE_IN_JSON, escapeInJson))
}

/** `1 conflict`, `2 conflicts`. */
export const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`

export const warn = (line: string): void => {
  writeNote(`dendro: ${lineToDisplay(line)}\n`)
}

/** For those who wait for a lock that `holders` have. */
export const warnWaiting = (holders: string): void => {
  warn(`waiting for ${holders} to finish`)
}

/** A raw path in JSON: readable text, and the bytes in hex where that loses some. */
export const jsonPath = (latin1: string) => {
  const display = latin1ToDisplay(latin1)
  const bytes = Buffer.from(latin1, 'latin1')
  return display === bytes.toString('utf8')
    ? { path: display }
    : { path: display, pathHex: bytes.toString('hex') }
}

const INTERVAL_MS = 200
const STANDARD_ERROR = 2

/** A line on stderr that shows how far a commit or checkout is. */
export class ProgressLine {
  readonly #isShown = isatty(STANDARD_ERROR)
  readonly #began = Date.now()
  #last = 0

  update(
    what: string,
    files: number,
    totalFiles: number,
    bytes: number,
    totalBytes: number,
  ): void {
    if (!this.#isShown) return
    const now = Date.now()
    if (now - this.#last < INTERVAL_MS) return
    this.#last = now
    const seconds = (now - this.#began) / 1000
    const rate = bytes / Math.max(seconds, 0.001)
    const parts = [`${what}: ${files}`]
    if (totalFiles > 0) {
      parts[0] += `/${totalFiles} files`
      parts.push(`${formatBytes(bytes)} of ${formatBytes(totalBytes)}`)
      parts.push(`${formatBytes(rate)}/s`)
      if (rate > 0)
        parts.push(`${formatDuration((totalBytes - bytes) / rate)} left`)
    }
    writeNote(`\r\x1b[K${parts.join(', ')}`)
  }

  end(): void {
    if (this.#isShown && this.#last > 0) writeNote('\r\x1b[K')
  }
}
