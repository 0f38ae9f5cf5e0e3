/**
 * What happened to a repository and its mounts that somebody should know of:
 * damage met while reading, servers that died, repairs, prunes.
 *
 * Lines of JSON, appended one write at a time by any process; news, not state:
 * nothing is ever decided by them. Format: docs/formats/events.md
 */

import {
  appendFileSync,
  readFileSync,
  renameSync,
  statSync,
} from '../system/files.ts'
import { errnoOf } from '../errors.ts'

/** At this size the file becomes `<name>.1`, replacing the last one. */
const MAX_BYTES = 1024 * 1024
const MAX_LINE_BYTES = 4096

export interface LoggedEvent {
  /** ISO 8601, UTC, milliseconds. */
  readonly time: string
  readonly type: string
  readonly [detail: string]: unknown
}

export class EventLog {
  readonly #paths: readonly string[]

  /** Appends go to the first of `paths` that can be written to. */
  constructor(...paths: readonly string[]) {
    this.#paths = paths
  }

  /** Where the next event will go. */
  get path(): string {
    return this.#paths.find(isWritable) ?? (this.#paths[0] as string)
  }

  /** Appends an event. Never throws: what it tells of matters more. */
  append(type: string, details: Readonly<Record<string, unknown>> = {}): void {
    const time = new Date().toISOString()
    let line = JSON.stringify({ time, type, ...details })
    if (line.length > MAX_LINE_BYTES)
      line = JSON.stringify({ time, type, truncated: true })
    for (const path of this.#paths) {
      try {
        rotate(path)
        appendFileSync(path, `${line}\n`)
        return
      } catch {
        // Read-only or full: the next place, if there is one.
      }
    }
  }
}

const isWritable = (path: string): boolean => {
  try {
    appendFileSync(path, '')
    return true
  } catch {
    return false
  }
}

const rotate = (path: string): void => {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size > MAX_BYTES) renameSync(path, `${path}.1`)
}

/** The events in a file and the one before it, oldest first; bad lines left out. */
export const readEvents = (path: string): LoggedEvent[] =>
  [`${path}.1`, path].flatMap(file => {
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return []
      throw error
    }
    return text.split('\n').flatMap(line => {
      try {
        const event = JSON.parse(line) as LoggedEvent
        const isEvent =
          typeof event.time === 'string' && typeof event.type === 'string'
        return isEvent ? [event] : []
      } catch {
        // The empty last line, or one cut short.
        return []
      }
    })
  })
