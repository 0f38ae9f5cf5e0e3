/**
 * Bytes as text that can be passed about: arguments, paths, environment.
 *
 * What is UTF-8 is that text; each byte that is not stands as one lone
 * surrogate, U+DC00 plus the byte (0x80..0xff), as in Python's
 * "surrogateescape" (PEP 383). The round trip from bytes is exact, `join` and
 * `dirname` work on it, and JSON keeps it. Node itself would make U+FFFD of
 * both: paths reach the system through system/files.ts, which knows better.
 * docs/decisions/names-as-arguments.md
 */

import { isUtf8 } from 'node:buffer'

const ESCAPE = 0xdc00
/** Surrogates in pairs are one character for `u`, and are not found. */
const LONE = /[\udc80-\udcff]/u
const REPLACEMENT = '\ufffd'

/** Bytes of a UTF-8 character by its first one; 0 where none begins so. */
const lengthOf = (first: number): number =>
  first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4

/** Whether `text` stands for bytes that are not UTF-8. */
export const isEscaped = (text: string): boolean => LONE.test(text)

/** The bytes as text. */
export const bytesToText = (bytes: Uint8Array): string => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isUtf8(buffer)) return buffer.toString('utf8')
  let text = ''
  for (let at = 0; at < buffer.length;) {
    const first = buffer[at] as number
    const length = lengthOf(first)
    const character = buffer.subarray(at, at + length)
    if (length > 0 && isUtf8(character)) {
      text += character.toString('utf8')
      at += length
    } else {
      text += String.fromCharCode(ESCAPE + first)
      at++
    }
  }
  return text
}

/** The bytes that `text` stands for. */
export const textToBytes = (text: string): Buffer => {
  if (!isEscaped(text)) return Buffer.from(text, 'utf8')
  const parts: Buffer[] = []
  for (const character of text) {
    const code = character.charCodeAt(0)
    parts.push(
      character.length === 1 && isEscaped(character)
        ? Buffer.from([code - ESCAPE])
        : Buffer.from(character, 'utf8'),
    )
  }
  return Buffer.concat(parts)
}

/** Whether Node may have lost bytes when it read `text` as UTF-8. */
export const mayHaveLost = (text: string): boolean => text.includes(REPLACEMENT)
