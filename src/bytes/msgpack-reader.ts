/**
 * Reads canonical msgpack and refuses everything else.
 *
 * Nothing is believed: every length is checked against a limit given by the
 * caller and against what is left, before anything is allocated; a value that
 * is not in its shortest form is refused, so that equal values have equal
 * bytes. Errors: `CORRUPT_OBJECT`, with the offset in `data`.
 * Counterpart: msgpack-writer.ts
 */

import { isUtf8 } from 'node:buffer'
import { DendroError } from '../errors.ts'

/** Of more bytes, a call out of JavaScript tells sooner what they are. */
const MAX_LOOP_BYTES = 64

export class MsgpackReader {
  readonly #bytes: Buffer
  readonly #end: number
  readonly #what: string
  #at: number

  /** Reads `bytes` from `beginBytes` to `endBytes`; `what` names the value in errors. */
  constructor(
    bytes: Uint8Array,
    what: string,
    beginBytes = 0,
    endBytes = bytes.length,
  ) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
    this.#at = beginBytes
    this.#end = endBytes
  }

  /** Offset of the next value. */
  get offsetBytes(): number {
    return this.#at
  }

  /** The error for a value that breaks the grammar; the caller throws it. */
  corrupt(why: string): DendroError {
    return new DendroError(
      'CORRUPT_OBJECT',
      `${this.#what}: ${why} at byte ${this.#at}`,
      {
        hint: 'the stored object is damaged; check the repository',
        data: { offset: this.#at },
      },
    )
  }

  /** Refuses bytes after the value. */
  expectEnd(): void {
    if (this.#at !== this.#end) throw this.corrupt('bytes after the end')
  }

  /** Takes a nil if one is next. */
  takeNil(): boolean {
    if (this.#peek() !== 0xc0) return false
    this.#at++
    return true
  }

  /** Whether the next value is an array. */
  isArray(): boolean {
    const tag = this.#peek()
    return (tag & 0xf0) === 0x90 || tag === 0xdc || tag === 0xdd
  }

  bool(): boolean {
    const tag = this.#peek()
    if (tag !== 0xc2 && tag !== 0xc3) throw this.corrupt('not a boolean')
    this.#at++
    return tag === 0xc3
  }

  /** Length of the array that follows, at most `maxLength` and what is left. */
  array(maxLength: number): number {
    const tag = this.#peek()
    let length: number
    if ((tag & 0xf0) === 0x90) {
      this.#at++
      length = tag & 0x0f
    } else if (tag === 0xdc) length = this.#sized2(16)
    else if (tag === 0xdd) length = this.#sized4()
    else throw this.corrupt('not an array')
    // Each element takes a byte at least.
    if (length > maxLength || length > this.#end - this.#at)
      throw this.corrupt(`array of ${length} is too long`)
    return length
  }

  /** The length of the array must be exactly `length`. */
  arrayOf(length: number): void {
    if (this.array(length) !== length)
      throw this.corrupt(`not an array of ${length}`)
  }

  /** An integer from 0 to `max` (2^53-1 at most). */
  uint(max: number = Number.MAX_SAFE_INTEGER): number {
    const tag = this.#peek()
    let value: number
    if (tag < 0x80) {
      this.#at++
      value = tag
    } else if (tag === 0xce) value = this.#sized4()
    else if (tag === 0xcd) value = this.#sized2(0x100)
    else if (tag === 0xcc) value = this.#sized1(0x80)
    else if (tag === 0xcf) {
      this.#need(9)
      const high = this.#word(this.#at + 1)
      if (high === 0) throw this.corrupt('integer not in its shortest form')
      if (high > 0x1fffff) throw this.corrupt('integer above 2^53-1')
      value = high * 0x100000000 + this.#word(this.#at + 5)
      this.#at += 9
    } else throw this.corrupt('not an unsigned integer')
    if (value > max) throw this.corrupt(`integer ${value} above ${max}`)
    return value
  }

  /** An integer from -(2^53-1) to 2^53-1. */
  int(): number {
    const tag = this.#peek()
    if (tag < 0x80 || (tag >= 0xcc && tag <= 0xcf)) return this.uint()
    if (tag >= 0xe0) {
      this.#at++
      return tag - 0x100
    }
    const width = tag === 0xd0 ? 1 : tag === 0xd1 ? 2 : tag === 0xd2 ? 4 : 8
    if (width === 8 && tag !== 0xd3) throw this.corrupt('not an integer')
    this.#need(1 + width)
    const value =
      width === 8
        ? Number(this.#bytes.readBigInt64BE(this.#at + 1))
        : this.#bytes.readIntBE(this.#at + 1, width)
    const shortest = { 1: -33, 2: -0x81, 4: -0x8001, 8: -0x80000001 }[width]
    if (value > shortest) throw this.corrupt('integer not in its shortest form')
    if (!Number.isSafeInteger(value)) throw this.corrupt('integer below -2^53')
    this.#at += 1 + width
    return value
  }

  /** A byte string of at most `maxLength` bytes, as latin1 text. */
  binary(maxLength: number): string {
    const length = this.#binaryLength(maxLength)
    const text = this.#bytes.toString('latin1', this.#at, this.#at + length)
    this.#at += length
    return text
  }

  /** A byte string of at most `maxLength` bytes, as a view of the input. */
  bytes(maxLength: number): Buffer {
    const length = this.#binaryLength(maxLength)
    const view = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return view
  }

  /** Whether all bytes were read. */
  isAtEnd(): boolean {
    return this.#at === this.#end
  }

  /** Unicode text of at most `maxLength` UTF-8 bytes. */
  text(maxLength: number): string {
    const tag = this.#peek()
    let length: number
    if ((tag & 0xe0) === 0xa0) {
      this.#at++
      length = tag & 0x1f
    } else if (tag === 0xd9) length = this.#sized1(32)
    else if (tag === 0xda) length = this.#sized2(0x100)
    else if (tag === 0xdb) length = this.#sized4()
    else throw this.corrupt('not text')
    if (length > maxLength) throw this.corrupt(`${length} bytes are too many`)
    if (length > this.#end - this.#at) throw this.corrupt('cut short')
    const end = this.#at + length
    if (!this.#isAscii(end) && !isUtf8(this.#bytes.subarray(this.#at, end)))
      throw this.corrupt('text is not UTF-8')
    const text = this.#bytes.toString('utf8', this.#at, end)
    this.#at = end
    return text
  }

  /** Whether the bytes up to `end` are ASCII; false where they are many. */
  #isAscii(end: number): boolean {
    if (end - this.#at > MAX_LOOP_BYTES) return false
    for (let at = this.#at; at < end; at++)
      if ((this.#bytes[at] as number) >= 0x80) return false
    return true
  }

  #binaryLength(maxLength: number): number {
    const tag = this.#peek()
    let length: number
    if (tag === 0xc4) length = this.#sized1(0)
    else if (tag === 0xc5) length = this.#sized2(0x100)
    else if (tag === 0xc6) length = this.#sized4()
    else throw this.corrupt('not a byte string')
    if (length > maxLength) throw this.corrupt(`${length} bytes are too many`)
    if (length > this.#end - this.#at) throw this.corrupt('cut short')
    return length
  }

  #peek(): number {
    if (this.#at >= this.#end) throw this.corrupt('cut short')
    return this.#bytes[this.#at] as number
  }

  #need(count: number): void {
    if (this.#end - this.#at < count) throw this.corrupt('cut short')
  }

  /** The number of one byte behind a tag byte; it must be at least `least`. */
  #sized1(least: number): number {
    this.#need(2)
    const value = this.#bytes[this.#at + 1] as number
    return this.#shortest(value, least, 2)
  }

  /** The same of two bytes, big-endian. */
  #sized2(least: number): number {
    this.#need(3)
    const bytes = this.#bytes
    const at = this.#at
    const value = ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)
    return this.#shortest(value, least, 3)
  }

  /** The same of four bytes, which hold what two cannot. */
  #sized4(): number {
    this.#need(5)
    return this.#shortest(this.#word(this.#at + 1), 0x10000, 5)
  }

  /** `value`, whose form takes `formBytes` and is for `least` and more. */
  #shortest(value: number, least: number, formBytes: number): number {
    if (value < least) throw this.corrupt('length not in its shortest form')
    this.#at += formBytes
    return value
  }

  /** The four bytes at `at`, big-endian; the caller has checked the length. */
  #word(at: number): number {
    const bytes = this.#bytes
    return (
      (((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)) >>>
      0
    )
  }
}
