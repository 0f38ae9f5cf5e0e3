/** What servers write to the log in their runtime directory. */

import { closeSync, readSync } from '../system/files.ts'
import { openPlain } from '../system/plain-file.ts'

/** Before each line of an error. */
const PREFIX = 'dendro: '
const MAX_BYTES = 64 * 1024

/**
 * The last error that was written to `log` from `begin` (bytes) on. Undefined
 * where there is none, or it cannot be read.
 */
export const complaintIn = (log: string, begin: number): string | undefined => {
  try {
    const { fd } = openPlain(log)
    try {
      const bytes = Buffer.allocUnsafe(MAX_BYTES)
      const length = readSync(fd, bytes, 0, MAX_BYTES, begin)
      return bytes
        .toString('utf8', 0, length)
        .split('\n')
        .findLast(line => line.startsWith(PREFIX))
        ?.slice(PREFIX.length)
    } finally {
      closeSync(fd)
    }
  } catch {
    // What it says would only explain another error.
    return undefined
  }
}
