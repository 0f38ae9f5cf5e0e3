/**
 * JSON that is stored or comes from another process, read as what it must be:
 * the only place in src/ that parses JSON.
 *
 * A shape says what a value must be and what a program makes of it. Nothing is
 * believed: bytes must be UTF-8, nesting and length are bounded before anything
 * is parsed, numbers are safe integers in a range, and a field that the shape
 * does not name is passed over (a newer program may write more), so none can
 * stand for a field of an object (`__proto__`). A key that is there twice counts
 * as JSON.parse has it, the last one. Pure.
 */

import { isUtf8 } from 'node:buffer'

/** What is wrong with a value. The message names the field: `deployments[2].os`. */
export class BadJson extends Error {
  /** The format that it is of, where that is newer than the program. */
  readonly newer: number | undefined

  constructor(message: string, newer?: number) {
    super(message)
    this.newer = newer
  }
}

/** Makes a value of what JSON.parse made. Errors: `BadJson`; `at` is the field. */
export type Shape<T> = (value: unknown, at: string) => T

/** What a shape makes. */
export type ShapeOf<S> = S extends Shape<infer T> ? T : never

const bad = (at: string, why: string): BadJson =>
  new BadJson(at === '' ? why : `${at} ${why}`)

const nameOf = (value: unknown): string =>
  value === undefined
    ? 'missing'
    : value === null
      ? 'null'
      : Array.isArray(value)
        ? 'a list'
        : typeof value === 'object'
          ? 'an object'
          : `a ${typeof value}`

/** Where a field of an object is. */
const fieldAt = (at: string, name: string): string =>
  at === '' ? name : `${at}.${name}`

export const aBoolean: Shape<boolean> = (value, at) => {
  if (typeof value === 'boolean') return value
  throw bad(at, `is ${nameOf(value)}, not true or false`)
}

/** A string; `isGood` and `what` for those that are more than that. */
export const aString =
  (isGood: (text: string) => boolean = () => true, what = 'a string') =>
  (value: unknown, at: string): string => {
    if (typeof value === 'string' && isGood(value)) return value
    const is =
      typeof value === 'string' ? 'holds something else' : `is ${nameOf(value)}`
    throw bad(at, `${is}, not ${what}`)
  }

/** A safe integer from `min` to `max`. */
export const anInteger =
  (min = 0, max = Number.MAX_SAFE_INTEGER) =>
  (value: unknown, at: string): number => {
    if (typeof value !== 'number')
      throw bad(at, `is ${nameOf(value)}, not a number`)
    if (Number.isSafeInteger(value) && value >= min && value <= max)
      return value
    throw bad(at, `is ${value}, not a whole number from ${min} to ${max}`)
  }

/** One of some words. */
export const oneOf =
  <T extends string>(...words: readonly T[]): Shape<T> =>
  (value, at) => {
    const found = words.find(word => word === value)
    if (found !== undefined) return found
    throw bad(at, `is none of ${words.join(', ')}`)
  }

export const orNull =
  <T>(shape: Shape<T>): Shape<T | null> =>
  (value, at) =>
    value === null ? null : shape(value, at)

/** A field that need not be there; JSON has no undefined. */
export const optional = <T>(shape: Shape<T>): Shape<T | undefined> & Optional =>
  Object.assign(
    (value: unknown, at: string) =>
      value === undefined ? undefined : shape(value, at),
    { isOptional: true } as const,
  )

interface Optional {
  readonly isOptional: true
}

/** The same, for a field that is there with the value undefined. */
export const orUndefined =
  <T>(shape: Shape<T>): Shape<T | undefined> =>
  (value, at) =>
    value === undefined ? undefined : shape(value, at)

/** What stands for a field of older programs that is not there. */
export const withDefault =
  <T>(shape: Shape<T>, otherwise: T): Shape<T> =>
  (value, at) =>
    value === undefined ? otherwise : shape(value, at)

export const aListOf =
  <T>(shape: Shape<T>): Shape<readonly T[]> =>
  (value, at) => {
    if (!Array.isArray(value)) throw bad(at, `is ${nameOf(value)}, not a list`)
    return value.map((item, i) => shape(item, `${at}[${i}]`))
  }

/** Any JSON; for what is only passed on or shown. */
export const anything: Shape<unknown> = value => value

type Fields = Readonly<Record<string, Shape<unknown>>>
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends Optional ? K : never
}[keyof F]

/** The object that fields make: an optional one may be missing. */
export type ObjectOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: ShapeOf<F[K]>
} & {
  readonly [K in OptionalKeys<F>]?: Exclude<ShapeOf<F[K]>, undefined>
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An object with these fields; what else is in it is left out. */
export const anObject =
  <F extends Fields>(fields: F): Shape<ObjectOf<F>> =>
  (value, at) => {
    if (!isObject(value)) throw bad(at, `is ${nameOf(value)}, not an object`)
    const made: Record<string, unknown> = {}
    for (const [name, shape] of Object.entries(fields)) {
      const given = Object.hasOwn(value, name) ? value[name] : undefined
      const is = fieldAt(at, name)
      if (given === undefined && 'isOptional' in shape) continue
      made[name] = shape(given, is)
    }
    return made as ObjectOf<F>
  }

/**
 * The same, with all other fields as they are, for records whose readers know
 * more than whoever reads them. A field named `__proto__` is left out.
 */
export const anOpenObject =
  <F extends Fields>(
    fields: F,
  ): Shape<ObjectOf<F> & Readonly<Record<string, unknown>>> =>
  (value, at) => {
    const known = anObject(fields)(value, at)
    const others = Object.entries(value as object).filter(
      ([name]) => name !== '__proto__' && !(name in fields),
    )
    return {
      ...(Object.fromEntries(others) as object),
      ...known,
    }
  }

/**
 * The shape of a file with a format: the field `name` is a number from 1 to
 * `known`. A higher one is refused before anything else is looked at. Files of
 * programs that wrote none are of format `assumed`.
 */
export const ofFormat =
  <T>(
    name: string,
    known: number,
    shape: Shape<T>,
    assumed?: number,
  ): Shape<T> =>
  (value, at) => {
    const format =
      isObject(value) && Object.hasOwn(value, name) ? value[name] : assumed
    if (typeof format === 'number' && format > known)
      throw new BadJson(
        `its ${name} is ${format}, this program knows ${known}`,
        format,
      )
    anInteger(1, known)(format, fieldAt(at, name))
    return shape(value, at)
  }

/** Deeper than anything that is written here. */
const MAX_DEPTH = 32

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b])
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d])

/** Nesting is bounded before it is parsed: it costs memory, and a stack. */
const checkDepth = (text: string): void => {
  let depth = 0
  let isInString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (isInString && code === BACKSLASH) at++
    else if (code === QUOTE) isInString = !isInString
    else if (isInString) continue
    else if (CLOSING.has(code)) depth--
    else if (OPENING.has(code) && ++depth > MAX_DEPTH)
      throw new BadJson(`it is nested deeper than ${MAX_DEPTH} levels`)
  }
}

const textOf = (json: string | Uint8Array): string => {
  if (typeof json === 'string') return json
  if (isUtf8(json)) return Buffer.from(json).toString('utf8')
  throw new BadJson('it is not UTF-8')
}

/**
 * What `shape` makes of JSON text, or of its bytes. The caller has bounded the
 * length. Errors: `BadJson`.
 */
export const parseJson = <T>(json: string | Uint8Array, shape: Shape<T>): T => {
  const text = textOf(json)
  checkDepth(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BadJson(
      text.trim() === '' ? 'it is empty' : 'it is cut short or not JSON',
    )
  }
  return shape(value, '')
}

/** The same, or undefined for what is not of that shape. */
export const tryParseJson = <T>(
  json: string | Uint8Array,
  shape: Shape<T>,
): T | undefined => {
  try {
    return parseJson(json, shape)
  } catch (error) {
    if (error instanceof BadJson) return undefined
    throw error
  }
}
