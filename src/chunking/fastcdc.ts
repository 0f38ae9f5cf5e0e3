/**
 * Content-defined chunking: FastCDC with normalized chunking, level 2.
 *
 * A cut depends only on the bytes around it, so an insertion changes the
 * chunks it touches and no others. The hash is a gear hash of 32 bits, whose
 * window is the last 32 bytes; masks take its high bits, which depend on the
 * whole window.
 * Paper: Xia et al., "FastCDC", USENIX ATC 2016.
 */

import { KIB } from '../units.ts'
import { GEAR } from './gear.ts'

export interface ChunkerParameters {
  readonly minBytes: number
  /** Expected size; a power of two. */
  readonly normalBytes: number
  readonly maxBytes: number
}

export const DEFAULT_CHUNKER: ChunkerParameters = {
  minBytes: 16 * KIB,
  normalBytes: 64 * KIB,
  maxBytes: 256 * KIB,
}

const NORMALIZATION_LEVEL = 2

/** A mask of `bits` ones at the top of a 32-bit word. */
const highMask = (bits: number): number => -1 << (32 - bits)

/**
 * Length of the first chunk of bytes [begin, end) of `bytes`.
 *
 * When fewer than `maxBytes` are given they must be the last of the file (or
 * of the run of data before a hole).
 */
export const cutPoint = (
  bytes: Uint8Array,
  begin: number,
  end: number,
  parameters: ChunkerParameters = DEFAULT_CHUNKER,
): number => {
  const available = Math.min(end - begin, parameters.maxBytes)
  if (available <= parameters.minBytes) return available
  const bits = Math.log2(parameters.normalBytes)
  const strict = highMask(bits + NORMALIZATION_LEVEL)
  const loose = highMask(bits - NORMALIZATION_LEVEL)
  const normalEnd = begin + Math.min(parameters.normalBytes, available)
  const last = begin + available
  let at = begin + parameters.minBytes
  let hash = 0
  for (; at < normalEnd; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0
    if ((hash & strict) === 0) return at + 1 - begin
  }
  for (; at < last; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0
    if ((hash & loose) === 0) return at + 1 - begin
  }
  return available
}
