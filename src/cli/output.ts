/** What the verbs print: results to stdout, progress to stderr on a terminal. */

import { latin1ToDisplay } from '../bytes/latin1.ts'
import { formatBytes, formatDuration } from '../units.ts'

/** Writes a line to stdout. */
export const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const LINES_AT_ONCE = 1024

/**
 * Writes many lines to stdout, a thousand at a time: a write for each would be
 * a third of the time, and one for all would keep them in memory.
 */
export class LinePrinter {
  #lines: string[] = []

  add(line: string): void {
    if (this.#lines.push(line) === LINES_AT_ONCE) this.flush()
  }

  /** Writes what is left. */
  flush(): void {
    if (this.#lines.length > 0) print(this.#lines.join('\n'))
    this.#lines = []
  }
}

/** Writes raw bytes (latin1 text) and a newline to stdout. */
export const printRaw = (latin1: string): void => {
  process.stdout.write(Buffer.from(`${latin1}\n`, 'latin1'))
}

export const printJson = (value: unknown): void => {
  print(JSON.stringify(value, undefined, 2))
}

/** `1 conflict`, `2 conflicts`. */
export const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`

export const warn = (line: string): void => {
  process.stderr.write(`dendro: ${line}\n`)
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

/** A line on stderr that shows how far a commit or checkout is. */
export class ProgressLine {
  readonly #isShown = process.stderr.isTTY
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
    process.stderr.write(`\r\x1b[K${parts.join(', ')}`)
  }

  end(): void {
    if (this.#isShown && this.#last > 0) process.stderr.write('\r\x1b[K')
  }
}
