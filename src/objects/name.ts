/** One component of a path: 1 to 255 bytes, not `.` or `..`, without `/` and NUL. */

import { MAX_NAME_BYTES } from './limits.ts'

/** What is wrong with `name` (latin1 bytes) as a directory entry, or undefined. */
export const explainBadName = (name: string): string | undefined => {
  if (name.length === 0) return 'the name is empty'
  if (name.length > MAX_NAME_BYTES)
    return `the name has ${name.length} bytes, more than ${MAX_NAME_BYTES}`
  if (name === '.' || name === '..') return `the name is '${name}'`
  if (name.includes('/')) return "the name holds a '/'"
  if (name.includes('\0')) return 'the name holds a NUL'
  return undefined
}
