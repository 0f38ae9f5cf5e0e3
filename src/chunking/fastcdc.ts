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
  const state: GearState = { at: begin + parameters.minBytes, hash: 0 }
  if (isCutBefore(bytes, normalEnd, strict, state)) return state.at - begin
  if (isCutBefore(bytes, begin + available, loose, state))
    return state.at - begin
  return available
}

const gear = (bytes: Uint8Array, at: number): number =>
  GEAR[bytes[at] as number] as number

/** Where the hash has come to, and its value there. */
interface GearState {
  at: number
  hash: number
}

/**
 * Goes on until `mask` finds no bit in the hash (true: the cut is before
 * `state.at`), or to `end`. Four bytes at a time: each hash then waits for the
 * one four bytes before, not for its neighbour.
 */
const isCutBefore = (
  bytes: Uint8Array,
  end: number,
  mask: number,
  state: GearState,
): boolean => {
  let { at, hash } = state
  for (const last = end - 3; at < last; at += 4) {
    const one = gear(bytes, at)
    const two = ((one << 1) + gear(bytes, at + 1)) | 0
    const three = ((two << 1) + gear(bytes, at + 2)) | 0
    const four = ((three << 1) + gear(bytes, at + 3)) | 0
    let cut = 0
    if ((((hash << 1) + one) & mask) === 0) cut = 1
    else if ((((hash << 2) + two) & mask) === 0) cut = 2
    else if ((((hash << 3) + three) & mask) === 0) cut = 3
    hash = ((hash << 4) + four) | 0
    if (cut === 0 && (hash & mask) === 0) cut = 4
    if (cut === 0) continue
    state.at = at + cut
    return true
  }
  for (; at < end; at++) {
    hash = ((hash << 1) + gear(bytes, at)) | 0
    if ((hash & mask) !== 0) continue
    state.at = at + 1
    return true
  }
  state.at = at
  state.hash = hash
  return false
}
