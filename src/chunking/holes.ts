/**
 * Holes by content: a run of zeros long enough is a hole, whoever wrote it.
 *
 * Whether a file system allocated a block of zeros is an accident of how the
 * file came there; deciding by content gives equal files equal objects on any
 * machine. Holes begin and end on 4 KiB and are 64 KiB long at least.
 */

import { KIB } from '../units.ts'

export const HOLE_ALIGN_BYTES = 4 * KIB
export const MIN_HOLE_BYTES = 64 * KIB

const ZEROS = Buffer.alloc(MIN_HOLE_BYTES)

export const isZero = (
  bytes: Uint8Array,
  begin: number,
  end: number,
): boolean => {
  for (let at = begin; at < end; at += ZEROS.length) {
    const stop = Math.min(end, at + ZEROS.length)
    if (ZEROS.compare(bytes, at, stop, 0, stop - at) !== 0) return false
  }
  return true
}
