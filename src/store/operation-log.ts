/**
 * What was done, with before and after, so that it can be undone.
 *
 * One small file per operation, numbered, written durably before the change it
 * tells of. Whoever reads knows how to tell whether the change ever came.
 * Format: docs/formats/operations.md
 */

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { crc32 } from '../bytes/crc32.ts'
import { errnoOf } from '../errors.ts'
import {
  makeDirectoryDurably,
  removeIfThere,
  writeDurably,
} from '../system/durable-file.ts'

/** Older ones are forgotten. */
const MAX_OPERATIONS = 1000
const NAME = /^(\d{8})\.json$/

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

export interface Operation {
  readonly number: number
  /** ISO 8601, UTC. */
  readonly time: string
  readonly kind: string
  /** One line for a person. */
  readonly text: string
  readonly [detail: string]: unknown
}

export class OperationLog {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  #numbers(): number[] {
    try {
      return readdirSync(this.#directory)
        .flatMap(name => NAME.exec(name)?.[1] ?? [])
        .map(Number)
        .sort((a, b) => a - b)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return []
      throw error
    }
  }

  #path(number: number): string {
    return join(this.#directory, `${String(number).padStart(8, '0')}.json`)
  }

  /** Writes an operation, durably; its number. Callers hold a lock. */
  append(
    kind: string,
    text: string,
    details: Readonly<Record<string, unknown>>,
  ): number {
    const numbers = this.#numbers()
    const number = (numbers.at(-1) ?? 0) + 1
    const time = new Date().toISOString()
    const operation = { number, time, kind, text, ...details }
    makeDirectoryDurably(this.#directory)
    writeDurably(this.#path(number), encodeChecked(JSON.stringify(operation)))
    for (const old of numbers.slice(0, -(MAX_OPERATIONS - 1)))
      removeIfThere(this.#path(old))
    return number
  }

  /** Removes the operations above `last`: their change never came. */
  dropAfter(last: number): void {
    for (const number of this.#numbers())
      if (number > last) removeIfThere(this.#path(number))
  }

  /** Files that are damaged, as `dendro fsck` names them. */
  damaged(): string[] {
    return this.#numbers()
      .filter(
        number => decodeChecked(readFileSync(this.#path(number))) === undefined,
      )
      .map(number => basename(this.#path(number)))
  }

  /** Oldest first; files that are no operations are left out. */
  list(): Operation[] {
    return this.#numbers().flatMap(number => {
      try {
        const text = decodeChecked(readFileSync(this.#path(number)))
        return text === undefined ? [] : [JSON.parse(text) as Operation]
      } catch {
        // Removed meanwhile, or damaged: what it told is no longer known.
        return []
      }
    })
  }
}
