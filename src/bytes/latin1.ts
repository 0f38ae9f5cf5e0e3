/**
 * Bytes as latin1 strings: one character per byte.
 *
 * Names, paths and digests are bytes from end to end. In memory they are
 * latin1 strings, because those work as Map keys, compare in byte order with
 * `<`, and survive the round trip for all 256 byte values.
 */

/** The bytes of `text`, which must hold only characters below 256. */
export const latin1ToBytes = (text: string): Buffer =>
  Buffer.from(text, 'latin1')

/** The bytes as a latin1 string. */
export const bytesToLatin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(
    'latin1',
  )

// eslint-disable-next-line no-control-regex -- control characters are looked for
const CONTROL = /[\x00-\x1f\x7f\\]/g
const PRINTABLE = /^[\x20-\x5b\x5d-\x7e]*$/
const NOT_PRINTABLE = /[^\x20-\x5b\x5d-\x7e]/g

const escapeCharacter = (char: string): string =>
  char === '\\'
    ? '\\\\'
    : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`

/** For showing a person: the bytes read as UTF-8, with `\xNN` where they are not. */
export const latin1ToDisplay = (text: string): string => {
  if (PRINTABLE.test(text)) return text
  const bytes = latin1ToBytes(text)
  const utf8 = bytes.toString('utf8')
  const isText = Buffer.from(utf8, 'utf8').equals(bytes)
  return isText
    ? utf8.replace(CONTROL, escapeCharacter)
    : text.replace(NOT_PRINTABLE, escapeCharacter)
}

/** A person's text (from argv, say) as the latin1 form of its UTF-8 bytes. */
export const textToLatin1 = (text: string): string =>
  Buffer.from(text, 'utf8').toString('latin1')

/** Byte order of two latin1 strings: negative, zero or positive. */
export const compareLatin1 = (a: string, b: string): number =>
  a < b ? -1 : a > b ? 1 : 0
