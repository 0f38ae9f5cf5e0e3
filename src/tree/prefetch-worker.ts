/** The thread that tells the kernel of files that will be read. */

import { closeSync, constants } from '../system/files.ts'
import { parentPort } from 'node:worker_threads'
import { shim } from '../system/native.ts'
import { openBeneath } from '../system/resolve.ts'
import { MIB } from '../units.ts'
import type { PrefetchRequest } from './source-prefetch.ts'

/** What follows in a larger file, the kernel's own readahead fetches. */
const MAX_BYTES = 4 * MIB
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

const prefetch = (root: number, path: string): void => {
  let fd: number
  try {
    fd = openBeneath(root, path, FLAGS)
  } catch {
    // A file that went away is the import's to tell.
    return
  }
  shim().prefetch(fd, 0, MAX_BYTES)
  closeSync(fd)
}

parentPort?.on('message', ({ root, paths }: PrefetchRequest) => {
  for (const path of paths.split('\0')) prefetch(root, path)
})
