/**
 * Bytes as latin1 strings: one character per byte.
 *
 * Names, paths and digests are bytes from end to end. In memory they are
 * latin1 strings, because those work as Map keys, compare in byte order with
 * `<`, and survive the round trip for all 256 byte values.
 */

import { bytesToText, isEscaped, textToBytes } from './byte-text.ts'

/** The bytes of `text`, which must hold only characters below 256. */
export const latin1ToBytes = (text: string): Buffer =>
  Buffer.from(text, 'latin1')

/** The bytes as a latin1 string. */
export const bytesToLatin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(
    'latin1',
  )

const PRINTABLE = /^[\x20-\x5b\x5d-\x7e]*$/
/**
 * What a terminal would obey, what turns the direction of text, and what ends a
 * line; and the backslash, which a shell takes away.
 */
const SPECIAL =
  // eslint-disable-next-line no-control-regex -- control characters are looked for
  /[\x00-\x1f\x7f-\x9f\\\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|^\$'/u

const SHORT: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\t': '\\t',
  "'": "\\'",
  '\\': '\\\\',
}

const escapeByte = (byte: number): string =>
  `\\${byte.toString(8).padStart(3, '0')}`

/** A character as it stands between `$'` and `'`. */
const quoteCharacter = (character: string): string => {
  const short = SHORT[character]
  if (short !== undefined) return short
  if (!isEscaped(character) && !SPECIAL.test(character)) return character
  return [...textToBytes(character)].map(escapeByte).join('')
}

const quote = (text: string): string =>
  `$'${Array.from(text, quoteCharacter).join('')}'`

/**
 * For showing a person one name or path: UTF-8 as it is, and as `$'caf\351'` what
 * holds other bytes, control characters or a backslash. Shells give the name
 * back (POSIX.1-2024, 2.2.4; bash, zsh, ksh, busybox), and nothing else is shown
 * that way.
 */
export const textToDisplay = (text: string): string =>
  isEscaped(text) || SPECIAL.test(text) ? quote(text) : text

/** Whether a line cannot be shown as it is, whatever may be quoted in it. */
const UNSAFE =
  // eslint-disable-next-line no-control-regex -- control characters are looked for
  /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff]/u

/** A word of a line: what brackets and ends it stays outside of the quotes. */
const wordToDisplay = (word: string): string => {
  const [, before = '', name = '', after = ''] =
    /^(['"(]*)(.*?)(['":;,.)]*)$/s.exec(word) ?? []
  return before + (UNSAFE.test(name) ? quote(name) : name) + after
}

/** A line with names in it: what cannot be shown is quoted word by word. */
export const lineToDisplay = (line: string): string =>
  UNSAFE.test(line) ? line.replace(/[^ ]+/g, wordToDisplay) : line

/** The same for bytes as latin1 text. */
export const latin1ToDisplay = (text: string): string =>
  PRINTABLE.test(text) && !text.startsWith("$'")
    ? text
    : textToDisplay(latin1ToText(text))

/** Text from outside (an argument, say; byte-text.ts) as its bytes in latin1. */
export const textToLatin1 = (text: string): string =>
  textToBytes(text).toString('latin1')

/** The way back: names inside a commit as paths outside have them. */
export const latin1ToText = (latin1: string): string =>
  bytesToText(latin1ToBytes(latin1))

/** Byte order of two latin1 strings: negative, zero or positive. */
export const compareLatin1 = (a: string, b: string): number =>
  a < b ? -1 : a > b ? 1 : 0
