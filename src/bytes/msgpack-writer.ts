/**
 * Writes canonical msgpack: of the forms that could hold a value, the shortest.
 *
 * Only what the objects need: nil, booleans, integers to 2^53-1, byte strings,
 * UTF-8 text and arrays. No maps and no floats, so there is one encoding for
 * one value. Spec: https://github.com/msgpack/msgpack/blob/master/spec.md
 */

const INITIAL_BYTES = 4096

export class MsgpackWriter {
  #bytes: Buffer
  #end = 0

  constructor(initialBytes = INITIAL_BYTES) {
    this.#bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** Number of bytes written so far. */
  get lengthBytes(): number {
    return this.#end
  }

  /** A copy of what was written since the last `reset`. */
  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#end))
  }

  /** The bytes written since `fromBytes`; valid until the next write. */
  view(fromBytes: number): Buffer {
    return this.#bytes.subarray(fromBytes, this.#end)
  }

  reset(): void {
    this.#end = 0
  }

  nil(): void {
    this.#reserve(1)
    this.#bytes[this.#end++] = 0xc0
  }

  bool(value: boolean): void {
    this.#reserve(1)
    this.#bytes[this.#end++] = value ? 0xc3 : 0xc2
  }

  array(length: number): void {
    this.#reserve(5)
    if (length < 16) this.#bytes[this.#end++] = 0x90 | length
    else if (length < 0x10000) this.#tagged(0xdc, length, 2)
    else this.#tagged(0xdd, length, 4)
  }

  /** A non-negative integer up to 2^53-1. Throws RangeError on anything else. */
  uint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`not an unsigned integer: ${value}`)
    this.#reserve(9)
    if (value < 0x80) this.#bytes[this.#end++] = value
    else if (value < 0x100) this.#tagged(0xcc, value, 1)
    else if (value < 0x10000) this.#tagged(0xcd, value, 2)
    else if (value < 0x100000000) this.#tagged(0xce, value, 4)
    else {
      this.#bytes[this.#end] = 0xcf
      this.#bytes.writeBigUInt64BE(BigInt(value), this.#end + 1)
      this.#end += 9
    }
  }

  /** An integer between -(2^53-1) and 2^53-1. */
  int(value: number): void {
    if (value >= 0) {
      this.uint(value)
      return
    }
    if (!Number.isSafeInteger(value))
      throw new RangeError(`not an integer: ${value}`)
    this.#reserve(9)
    if (value >= -32) this.#bytes[this.#end++] = 0x100 + value
    else if (value >= -0x80) this.#tagged(0xd0, value + 0x100, 1)
    else if (value >= -0x8000) this.#tagged(0xd1, value + 0x10000, 2)
    else if (value >= -0x80000000) this.#tagged(0xd2, value + 0x100000000, 4)
    else {
      this.#bytes[this.#end] = 0xd3
      this.#bytes.writeBigInt64BE(BigInt(value), this.#end + 1)
      this.#end += 9
    }
  }

  /** A byte string given as latin1 text. */
  binary(latin1: string): void {
    const length = latin1.length
    this.#reserve(5 + length)
    if (length < 0x100) this.#tagged(0xc4, length, 1)
    else if (length < 0x10000) this.#tagged(0xc5, length, 2)
    else this.#tagged(0xc6, length, 4)
    this.#bytes.write(latin1, this.#end, length, 'latin1')
    this.#end += length
  }

  /** A byte string. Copies `bytes`. */
  bytes(bytes: Uint8Array): void {
    const length = bytes.length
    this.#reserve(5)
    if (length < 0x100) this.#tagged(0xc4, length, 1)
    else if (length < 0x10000) this.#tagged(0xc5, length, 2)
    else this.#tagged(0xc6, length, 4)
    this.raw(bytes)
  }

  /** Unicode text, stored as UTF-8. */
  text(value: string): void {
    const bytes = Buffer.from(value, 'utf8')
    const length = bytes.length
    this.#reserve(5 + length)
    if (length < 32) this.#bytes[this.#end++] = 0xa0 | length
    else if (length < 0x100) this.#tagged(0xd9, length, 1)
    else if (length < 0x10000) this.#tagged(0xda, length, 2)
    else this.#tagged(0xdb, length, 4)
    bytes.copy(this.#bytes, this.#end)
    this.#end += length
  }

  /** Bytes that are canonical msgpack already. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#end)
    this.#end += bytes.length
  }

  #tagged(tag: number, value: number, width: 1 | 2 | 4): void {
    this.#bytes[this.#end] = tag
    this.#bytes.writeUIntBE(value, this.#end + 1, width)
    this.#end += 1 + width
  }

  #reserve(count: number): void {
    const need = this.#end + count
    if (need <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(need, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#end)
    this.#bytes = grown
  }
}
