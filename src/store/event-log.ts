/**
 * What happened to a repository and its mounts that somebody should know of:
 * damage met while reading, servers that died, repairs, prunes.
 *
 * Lines of JSON, appended one write at a time by any process; news, not state:
 * nothing is ever decided by them. Format: docs/formats/events.md
 */

import {
  closeSync,
  constants,
  openSync,
  renameSync,
  writeSync,
} from '../system/files.ts'
import { basename } from 'node:path'
import { aString, anOpenObject, tryParseJson } from '../bytes/json-shape.ts'
import type { Shape } from '../bytes/json-shape.ts'
import { childOf, parentOf } from '../system/held-path.ts'
import type { FilePlace } from '../system/held-path.ts'
import { openPlain, sizeOfPlace, tryReadPlain } from '../system/plain-file.ts'
import { MIB } from '../units.ts'

/** At this size the file becomes `<name>.1`, replacing the last one. */
const MAX_BYTES = MIB
const MAX_LINE_BYTES = 4096
/** Keepers append to the file that they were given, however long it is by then. */
const MAX_READ_BYTES = 64 * MIB
const FILE_MODE = 0o644

export interface LoggedEvent {
  /** ISO 8601, UTC, milliseconds. */
  readonly time: string
  readonly type: string
  readonly [detail: string]: unknown
}

const EVENT: Shape<LoggedEvent> = anOpenObject({
  time: aString(),
  type: aString(),
})

export class EventLog {
  readonly #places: readonly FilePlace[]

  /** Appends go to the first of `places` that can be written to. */
  constructor(...places: readonly FilePlace[]) {
    this.#places = places
  }

  /**
   * A descriptor for those who append by themselves; of nowhere, where nothing
   * can be written to. The caller closes it.
   */
  open(): number {
    for (const place of this.#places) {
      try {
        return openAppending(place)
      } catch {
        // Read-only, full or no file: the next place, if there is one.
      }
    }
    return openSync('/dev/null', 'w')
  }

  /** Appends an event. Never throws: what it tells of matters more. */
  append(type: string, details: Readonly<Record<string, unknown>> = {}): void {
    const time = new Date().toISOString()
    let line = JSON.stringify({ time, type, ...details })
    if (line.length > MAX_LINE_BYTES)
      line = JSON.stringify({ time, type, truncated: true })
    for (const place of this.#places) {
      try {
        rotate(place)
        const fd = openAppending(place)
        try {
          writeSync(fd, `${line}\n`)
        } finally {
          closeSync(fd)
        }
        return
      } catch {
        // Read-only, full or no file: the next place, if there is one.
      }
    }
  }
}

/** Opens the file, which is made if need be. Errors: as `openPlain`. */
const openAppending = (place: FilePlace): number => {
  const { O_APPEND, O_CREAT, O_WRONLY } = constants
  return openPlain(place, O_WRONLY | O_APPEND | O_CREAT, FILE_MODE).fd
}

/** The file before this one. */
const previousOf = (place: FilePlace): FilePlace =>
  childOf(parentOf(place), `${basename(String(place))}.1`)

const rotate = (place: FilePlace): void => {
  if (sizeOfPlace(place) <= MAX_BYTES) return
  const previous = previousOf(place)
  if (typeof place === 'string') renameSync(place, String(previous))
  else if (typeof previous !== 'string')
    place.reach(from => previous.reach(to => renameSync(from, to)))
}

/**
 * The events in a file and the one before it, oldest first; left out are lines
 * that are no events: the empty last one, one cut short.
 * Errors: `CORRUPT_REPOSITORY` where no file stands there, system errors.
 */
export const readEvents = (place: FilePlace): LoggedEvent[] =>
  [previousOf(place), place].flatMap(file => {
    const bytes = tryReadPlain(file, MAX_READ_BYTES)
    return (bytes?.toString() ?? '')
      .split('\n')
      .flatMap(line => tryParseJson(line, EVENT) ?? [])
  })
