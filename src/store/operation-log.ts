/**
 * What was done, with before and after, so that it can be undone.
 *
 * One small file per operation, numbered, written durably before the change it
 * tells of. Whoever reads knows how to tell whether the change ever came.
 * Format: docs/formats/operations.md
 */

import { crc32 } from '../bytes/crc32.ts'
import {
  aString,
  anInteger,
  anOpenObject,
  optional,
  tryParseJson,
} from '../bytes/json-shape.ts'
import type { Shape } from '../bytes/json-shape.ts'
import { isDamage } from '../errors.ts'
import {
  makeDirectoryDurably,
  removeIfThere,
  writeDurably,
} from '../system/durable-file.ts'
import { childOf, parentOf } from '../system/held-path.ts'
import type { FilePlace } from '../system/held-path.ts'
import {
  listNamesIfThere,
  readPlain,
  tryReadPlain,
} from '../system/plain-file.ts'
import { MIB } from '../units.ts'

/** Older ones are forgotten. */
const MAX_OPERATIONS = 1000
const MAX_OPERATION_BYTES = 16 * MIB
const MAX_COUNTER_BYTES = 64
const NAME = /^(\d{8})\.json$/
/** Holds the sequence of the newest operation, with a checksum as they have. */
const COUNTER = 'sequence'
const COUNT = /^\d{1,15}$/

/** `<CRC-32, 8 hex digits> <text>` and a newline. */
export const encodeChecked = (text: string): Buffer =>
  Buffer.from(`${sumOf(text)} ${text}\n`)

/** The text, or undefined where a byte of it is not as it was written. */
export const decodeChecked = (bytes: Buffer): string | undefined => {
  const [, sum, text] = /^([0-9a-f]{8}) (.*)\n$/s.exec(bytes.toString()) ?? []
  return text !== undefined && sumOf(text) === sum ? text : undefined
}

const sumOf = (text: string): string =>
  crc32(Buffer.from(text)).toString(16).padStart(8, '0')

const nameOf = (number: number): string =>
  `${String(number).padStart(8, '0')}.json`

export interface Operation {
  readonly number: number
  /**
   * Where it stands among the operations of all logs that count together; the
   * clock may go back. Undefined in entries of older programs, which are older.
   */
  readonly sequence?: number
  /** ISO 8601, UTC. */
  readonly time: string
  readonly kind: string
  /** One line for a person. */
  readonly text: string
  readonly [detail: string]: unknown
}

/** What it says besides is for those who know its kind. */
const OPERATION: Shape<Operation> = anOpenObject({
  number: anInteger(1),
  sequence: optional(anInteger()),
  time: aString(),
  kind: aString(),
  text: aString(),
})

export class OperationLog {
  readonly #directory: FilePlace
  readonly #counter: FilePlace

  /**
   * `counting` is the directory of the log that this one counts together with:
   * a sysroot's log with that of its repository.
   */
  constructor(directory: FilePlace, counting = directory) {
    this.#directory = directory
    this.#counter = childOf(counting, COUNTER)
  }

  /** Higher than that of all operations before, of whatever log. */
  #nextSequence(): number {
    const counted = this.#counted()
    const last = this.#read(this.#numbers().at(-1) ?? 0)?.sequence ?? 0
    const next = Math.max(counted, last) + 1
    makeDirectoryDurably(parentOf(this.#counter))
    writeDurably(this.#counter, encodeChecked(String(next)))
    return next
  }

  #counted(): number {
    // Not there or damaged: the entries tell.
    return this.#readCounter() ?? 0
  }

  /** Undefined where it is damaged, 0 where there is none. */
  #readCounter(): number | undefined {
    try {
      const bytes = tryReadPlain(this.#counter, MAX_COUNTER_BYTES)
      if (bytes === undefined) return 0
      const text = decodeChecked(bytes) ?? ''
      return COUNT.test(text) ? Number(text) : undefined
    } catch (error) {
      if (isDamage(error)) return undefined
      throw error
    }
  }

  /** Undefined when it is gone or damaged: what it told is no longer known. */
  #read(number: number): Operation | undefined {
    try {
      const text = this.#text(number)
      return text === undefined ? undefined : tryParseJson(text, OPERATION)
    } catch {
      return undefined
    }
  }

  /** Undefined where it is damaged. System errors: ENOENT. */
  #text(number: number): string | undefined {
    try {
      return decodeChecked(readPlain(this.#path(number), MAX_OPERATION_BYTES))
    } catch (error) {
      if (isDamage(error)) return undefined
      throw error
    }
  }

  #numbers(): number[] {
    return listNamesIfThere(this.#directory)
      .flatMap(name => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b)
  }

  #path(number: number): FilePlace {
    return childOf(this.#directory, nameOf(number))
  }

  /** Writes an operation, durably; its number. Callers hold a lock. */
  append(
    kind: string,
    text: string,
    details: Readonly<Record<string, unknown>>,
  ): number {
    const numbers = this.#numbers()
    const number = (numbers.at(-1) ?? 0) + 1
    const time = new Date(Date.now()).toISOString()
    const sequence = this.#nextSequence()
    const operation = { number, sequence, time, kind, text, ...details }
    makeDirectoryDurably(this.#directory)
    writeDurably(this.#path(number), encodeChecked(JSON.stringify(operation)))
    for (const old of numbers.slice(0, -(MAX_OPERATIONS - 1)))
      removeIfThere(this.#path(old))
    return number
  }

  /** Replaces some details of operation `number`, durably. Callers hold the lock. */
  amend(number: number, details: Readonly<Record<string, unknown>>): void {
    const before = this.#read(number)
    if (before === undefined) return
    const operation = { ...before, ...details }
    writeDurably(this.#path(number), encodeChecked(JSON.stringify(operation)))
  }

  /** Removes the operations above `last`: their change never came. */
  dropAfter(last: number): void {
    for (const number of this.#numbers())
      if (number > last) removeIfThere(this.#path(number))
  }

  /** Files that are damaged, as `dendro fsck` names them. */
  damaged(): string[] {
    const entries = this.#numbers()
      .filter(number => {
        const text = this.#text(number)
        return text === undefined || tryParseJson(text, OPERATION) === undefined
      })
      .map(nameOf)
    return this.#readCounter() === undefined ? [...entries, COUNTER] : entries
  }

  /** Oldest first; files that are no operations are left out. */
  list(): Operation[] {
    return this.#numbers().flatMap(number => this.#read(number) ?? [])
  }
}

/**
 * The operations of two logs as one list, newest first: by their sequence,
 * and by the clock where an older program wrote none.
 */
export const mergeNewestFirst = <T extends Operation>(
  one: readonly T[],
  other: readonly T[],
): T[] => {
  const isLater = (a: T, b: T): boolean =>
    a.sequence !== undefined || b.sequence !== undefined
      ? (a.sequence ?? 0) > (b.sequence ?? 0)
      : a.time > b.time
  const merged: T[] = []
  // Each log is in order by itself, also where the clock went back.
  const left = [...one].sort((a, b) => a.number - b.number)
  const right = [...other].sort((a, b) => a.number - b.number)
  for (;;) {
    const a = left.at(-1)
    const b = right.at(-1)
    if (a === undefined || b === undefined) break
    merged.push((isLater(a, b) ? left : right).pop() as T)
  }
  return [...merged, ...left.reverse(), ...right.reverse()]
}
