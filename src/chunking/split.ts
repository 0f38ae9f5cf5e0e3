/**
 * Splits the content of a file into chunks and holes, reading it once.
 *
 * Pure: the bytes come through a function that the caller passes. The result
 * depends on the content alone, never on how it was read.
 */

import { cutPoint, DEFAULT_CHUNKER } from './fastcdc.ts'
import type { ChunkerParameters } from './fastcdc.ts'
import { HOLE_ALIGN_BYTES, isZero, MIN_HOLE_BYTES } from './holes.ts'

export interface ContentSource {
  /**
   * Fills `buffer` from `begin` with bytes of the file at `position`; returns
   * how many, 0 only at the end of the file.
   */
  read(buffer: Buffer, begin: number, position: number): number
  /**
   * Offset of the next byte at or behind `position` that may not be zero.
   * Lets a sparse file be skipped over without reading it.
   */
  nextData?(position: number): number
}

export interface Piece {
  readonly lengthBytes: number
  /** Bytes of a chunk, valid until the next piece; undefined for a hole. */
  readonly bytes: Buffer | undefined
}

/** A buffer for `splitContent`, to be used for one file after another. */
export const makeSplitBuffer = (
  parameters: ChunkerParameters = DEFAULT_CHUNKER,
): Buffer => Buffer.allocUnsafeSlow(parameters.maxBytes * 8)

/** Yields the pieces of the content in order. `buffer` is overwritten. */
export function* splitContent(
  source: ContentSource,
  buffer: Buffer,
  parameters: ChunkerParameters = DEFAULT_CHUNKER,
): Generator<Piece, void, undefined> {
  let position = 0 // file offset of buffer[0]
  let have = 0
  let isEnd = false
  for (;;) {
    while (!isEnd && have < buffer.length) {
      const count = source.read(buffer, have, position + have)
      if (count === 0) isEnd = true
      have += count
    }
    if (have === 0) return
    const { dataEnd, isHoleNext } = findDataEnd(buffer, have, isEnd)
    const isFinal = isEnd || isHoleNext
    let at = 0
    while (at < dataEnd && (isFinal || dataEnd - at >= parameters.maxBytes)) {
      const lengthBytes = cutPoint(buffer, at, dataEnd, parameters)
      yield { lengthBytes, bytes: buffer.subarray(at, at + lengthBytes) }
      at += lengthBytes
    }
    buffer.copyWithin(0, at, have)
    have -= at
    position += at
    if (at === dataEnd && isHoleNext) {
      const hole: HoleEnd = yield* skipHole(
        source,
        buffer,
        position,
        have,
        isEnd,
      )
      position = hole.position
      have = hole.have
      isEnd = hole.isEnd
    }
  }
}

/**
 * How much of buffer[0, have) is certainly data: up to the first run of zeros
 * that is long enough to be a hole, or that may become one behind the buffer.
 */
const findDataEnd = (buffer: Buffer, have: number, isEnd: boolean) => {
  let runBegin = -1
  for (let at = 0; at < have; at += HOLE_ALIGN_BYTES) {
    const stop = Math.min(at + HOLE_ALIGN_BYTES, have)
    if (buffer[at] === 0 && isZero(buffer, at, stop)) {
      if (runBegin < 0) runBegin = at
      if (stop - runBegin >= MIN_HOLE_BYTES)
        return { dataEnd: runBegin, isHoleNext: true }
    } else runBegin = -1
  }
  const isOpen = runBegin >= 0 && !isEnd
  return { dataEnd: isOpen ? runBegin : have, isHoleNext: false }
}

interface HoleEnd {
  readonly position: number
  readonly have: number
  readonly isEnd: boolean
}

/** Measures the hole at buffer[0], yields it, and leaves the data behind it. */
function* skipHole(
  source: ContentSource,
  buffer: Buffer,
  holeBegin: number,
  haveBytes: number,
  wasEnd: boolean,
): Generator<Piece, HoleEnd, undefined> {
  let position = holeBegin
  let have = haveBytes
  let isEnd = wasEnd
  for (;;) {
    let at = 0
    while (at < have) {
      const stop = Math.min(at + HOLE_ALIGN_BYTES, have)
      if (!isZero(buffer, at, stop)) break
      if (stop - at < HOLE_ALIGN_BYTES && !isEnd) break
      at = stop
    }
    buffer.copyWithin(0, at, have)
    have -= at
    position += at
    if (have >= HOLE_ALIGN_BYTES || isEnd) break
    if (have === 0 && source.nextData !== undefined) {
      const next = source.nextData(position)
      position = Math.max(
        position,
        Math.floor(next / HOLE_ALIGN_BYTES) * HOLE_ALIGN_BYTES,
      )
      // The end of the file need not be aligned; the rest is read as zeros.
    }
    while (!isEnd && have < buffer.length) {
      const count = source.read(buffer, have, position + have)
      if (count === 0) isEnd = true
      have += count
    }
  }
  yield { lengthBytes: position - holeBegin, bytes: undefined }
  return { position, have, isEnd }
}
