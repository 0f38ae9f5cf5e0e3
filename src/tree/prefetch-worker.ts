/** The thread that tells the kernel of files that will be read. */

import { parentPort } from 'node:worker_threads'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { shim } from '../system/native.ts'
import { MIB } from '../units.ts'
import type { PrefetchRequest } from './source-prefetch.ts'

/** What follows in a larger file, the kernel's own readahead fetches. */
const MAX_BYTES = 4 * MIB

parentPort?.on('message', (request: PrefetchRequest) => {
  for (const path of request.split('\0'))
    // A file that went away is the import's to tell.
    shim().prefetch(latin1ToBytes(path), 0, MAX_BYTES)
})
