/** Where a sparse file goes on. */

import { ENXIO } from './errno.ts'
import { tryShim } from './native.ts'

/** Of lseek(2). */
const SEEK_DATA = 3

/**
 * The first byte at or behind `position` that is not in a hole; Infinity behind
 * the last one. Where the system cannot tell, `position` itself.
 */
export const nextData = (fd: number, position: number): number => {
  const found = tryShim()?.lseek(fd, position, SEEK_DATA) ?? position
  if (found === -ENXIO) return Infinity
  return found < 0 ? position : found
}
