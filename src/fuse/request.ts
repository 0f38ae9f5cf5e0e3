/** One request of the kernel, read in place. Pure. */

import {
  FORGET_ONE_BYTES,
  IN_HEADER_BYTES,
  IN_LEN,
  IN_NODEID,
  IN_OPCODE,
} from './layout.ts'

const HIGH = 0x100000000

/**
 * A window on the buffer that requests are received into. Valid until the next
 * request. All numbers are checked to lie inside the request.
 */
export class Request {
  readonly bytes: Buffer
  lengthBytes = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Takes what was received; false when it is no whole request. */
  accept(lengthBytes: number): boolean {
    this.lengthBytes = lengthBytes
    return (
      lengthBytes >= IN_HEADER_BYTES &&
      this.bytes.readUInt32LE(IN_LEN) === lengthBytes
    )
  }

  /** No request is in hand any more. */
  clear(): void {
    this.bytes.writeUInt32LE(0, IN_LEN)
  }

  get opcode(): number {
    return this.bytes.readUInt32LE(IN_OPCODE)
  }

  get nodeId(): number {
    return this.#u64(IN_NODEID)
  }

  /** A u32 of the body. */
  u32(offset: number): number {
    this.#need(offset + 4)
    return this.bytes.readUInt32LE(IN_HEADER_BYTES + offset)
  }

  /** A u64 of the body, which must be below 2^53. */
  u64(offset: number): number {
    this.#need(offset + 8)
    return this.#u64(IN_HEADER_BYTES + offset)
  }

  /** A u64 of the body; what is above 2^53 is infinite. */
  u64Clipped(offset: number): number {
    this.#need(offset + 8)
    const value = this.#sum(IN_HEADER_BYTES + offset)
    return Number.isSafeInteger(value) ? value : Infinity
  }

  /** NUL-terminated bytes of the body, as latin1 text. */
  string(offset: number): string {
    const begin = IN_HEADER_BYTES + offset
    this.#need(offset)
    const end = this.bytes.indexOf(0, begin)
    if (end < 0 || end >= this.lengthBytes)
      throw new RangeError('string without an end')
    return this.bytes.toString('latin1', begin, end)
  }

  /** BATCH_FORGET: calls `each` with a node id and a count. */
  forgets(each: (nodeId: number, count: number) => void): void {
    const count = this.u32(0)
    for (let i = 0; i < count; i++)
      each(
        this.u64(8 + i * FORGET_ONE_BYTES),
        this.u64(16 + i * FORGET_ONE_BYTES),
      )
  }

  #u64(at: number): number {
    const value = this.#sum(at)
    if (!Number.isSafeInteger(value)) throw new RangeError('number above 2^53')
    return value
  }

  #sum(at: number): number {
    return this.bytes.readUInt32LE(at) + this.bytes.readUInt32LE(at + 4) * HIGH
  }

  #need(end: number): void {
    if (IN_HEADER_BYTES + end > this.lengthBytes)
      throw new RangeError('request cut short')
  }
}
