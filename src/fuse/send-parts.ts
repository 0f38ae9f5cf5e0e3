/** Writes a reply, header and body, with one call. */

import { shim } from '../system/native.ts'
import type { Slice } from './handler.ts'
import { BODY_AT } from './reply.ts'

/** Parts that one call sends. */
const MAX_PARTS = 128

/**
 * Sends the header in `head` and the body of `length` bytes, which stands
 * behind it where no parts are given. Returns what write(2) does, or -errno.
 */
export const sendParts = (
  fd: number,
  head: Buffer,
  parts: readonly Slice[] | undefined,
  length: number,
): number => {
  const native = shim()
  if (parts === undefined) return native.writeParts(fd, head, BODY_AT + length)
  const [first] = parts
  if (first === undefined) return native.writeParts(fd, head, BODY_AT)
  const { bytes, begin, lengthBytes } = first
  if (parts.length === 1)
    return native.writeParts(fd, head, BODY_AT, bytes, begin, lengthBytes)
  if (parts.length > MAX_PARTS) {
    const whole = Buffer.concat(
      parts.map(part =>
        part.bytes.subarray(part.begin, part.begin + part.lengthBytes),
      ),
    )
    return native.writeParts(fd, head, BODY_AT, whole, 0, whole.length)
  }
  const rest: (Buffer | number)[] = []
  for (const part of parts) rest.push(part.bytes, part.begin, part.lengthBytes)
  return native.writeParts(fd, head, BODY_AT, ...rest)
}
