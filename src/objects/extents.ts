/**
 * The content of a file as runs of bytes: chunks and holes in order.
 *
 * A hole reads as zeros and stores nothing. Holes are found by content (see
 * chunking/holes.ts), so that equal bytes give equal extents on any machine.
 * Format: docs/formats/extent-list.md
 */

import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { DIGEST_BYTES, toDigest } from './digest.ts'
import type { Digest } from './digest.ts'
import {
  beyondLimit,
  MAX_CHUNK_BYTES,
  MAX_EXTENTS,
  MIN_LISTED_EXTENT_BYTES,
} from './limits.ts'

export interface Extent {
  readonly lengthBytes: number
  /** The chunk, or undefined for a hole. */
  readonly chunk: Digest | undefined
}

const TAG = 'extents'

export const extentsLength = (extents: readonly Extent[]): number =>
  extents.reduce((sum, extent) => sum + extent.lengthBytes, 0)

export const countDataBytes = (extents: readonly Extent[]): number =>
  extents.reduce(
    (sum, extent) =>
      sum + (extent.chunk === undefined ? 0 : extent.lengthBytes),
    0,
  )

/**
 * Refuses extents that `decodeExtents` would not take. Errors:
 * `LIMIT_EXCEEDED`; RangeError for what no splitting of a file gives.
 */
const checkExtents = (
  extents: readonly Extent[],
  maxCount: number,
  minBytes = 1,
): void => {
  if (extents.length > maxCount)
    throw beyondLimit(`a file has ${extents.length} extents`, maxCount)
  let total = 0
  let afterHole = false
  let afterShort = false
  for (const [i, { lengthBytes, chunk }] of extents.entries()) {
    const isHole = chunk === undefined
    if (lengthBytes < 1 || (!isHole && lengthBytes > MAX_CHUNK_BYTES))
      throw new RangeError(`an extent of ${lengthBytes} bytes`)
    if (isHole && afterHole) throw new RangeError('a hole after a hole')
    const isShort = lengthBytes < minBytes
    const isLast = i === extents.length - 1
    if ((afterShort && !isHole) || (isShort && isHole && !isLast))
      throw new RangeError(`an extent of ${lengthBytes} bytes in a list`)
    afterShort = isShort
    afterHole = isHole
    total += lengthBytes
    if (!Number.isSafeInteger(total))
      throw beyondLimit('a file has 2^53 bytes', Number.MAX_SAFE_INTEGER)
  }
}

/**
 * Writes up to `maxCount` extents as one flat array: length, digest or nil,
 * length, ... Errors: `LIMIT_EXCEEDED`.
 */
export const encodeExtents = (
  writer: MsgpackWriter,
  extents: readonly Extent[],
  maxCount: number,
): void => {
  checkExtents(extents, maxCount)
  writer.array(extents.length * 2)
  encodePairs(writer, extents)
}

const encodePairs = (writer: MsgpackWriter, extents: readonly Extent[]) => {
  for (const { lengthBytes, chunk } of extents) {
    writer.uint(lengthBytes)
    if (chunk === undefined) writer.nil()
    else writer.binary(chunk)
  }
}

/**
 * Reads `elements` array elements as extents. In the list of a large file none
 * is shorter than `minBytes` but the last one and chunks before a hole: what a
 * few bytes say would else be work for seconds. Errors: `CORRUPT_OBJECT`.
 */
export const decodeExtents = (
  reader: MsgpackReader,
  elements: number,
  minBytes = 1,
): Extent[] => {
  if (elements % 2 !== 0) throw reader.corrupt('odd number of extent fields')
  const extents: Extent[] = []
  let total = 0
  let afterHole = false
  let afterShort = false
  for (let i = 0; i < elements; i += 2) {
    const lengthBytes = reader.uint()
    const isHole = reader.takeNil()
    const chunk = isHole ? undefined : toDigest(reader.binary(DIGEST_BYTES))
    if (!isHole && chunk === undefined) throw reader.corrupt('bad chunk digest')
    if (lengthBytes === 0) throw reader.corrupt('empty extent')
    if (!isHole && lengthBytes > MAX_CHUNK_BYTES)
      throw reader.corrupt(`chunk of ${lengthBytes} bytes is too long`)
    if (isHole && afterHole) throw reader.corrupt('hole after a hole')
    if (afterShort && !isHole) throw reader.corrupt('a short extent')
    afterHole = isHole
    afterShort = lengthBytes < minBytes
    if (afterShort && isHole && i + 2 < elements)
      throw reader.corrupt('a short hole')
    total += lengthBytes
    if (!Number.isSafeInteger(total)) throw reader.corrupt('file above 2^53-1')
    extents.push({ lengthBytes, chunk })
  }
  return extents
}

/**
 * The extent list of a large file as an object of its own.
 * Errors: `LIMIT_EXCEEDED`; RangeError for what no splitting of a file gives.
 */
export const encodeExtentList = (extents: readonly Extent[]): Buffer => {
  checkExtents(extents, MAX_EXTENTS, MIN_LISTED_EXTENT_BYTES)
  const writer = new MsgpackWriter(64 + extents.length * 40)
  writer.array(1 + extents.length * 2)
  writer.text(TAG)
  encodePairs(writer, extents)
  return writer.finish()
}

/** Counterpart of `encodeExtentList`. Errors: `CORRUPT_OBJECT`. */
export const decodeExtentList = (bytes: Uint8Array): Extent[] => {
  const reader = new MsgpackReader(bytes, 'extent list')
  const elements = reader.array(1 + MAX_EXTENTS * 2)
  if (elements === 0 || reader.text(16) !== TAG)
    throw reader.corrupt('not an extent list')
  const extents = decodeExtents(reader, elements - 1, MIN_LISTED_EXTENT_BYTES)
  reader.expectEnd()
  return extents
}
