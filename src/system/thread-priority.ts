/** The priority of one thread. */

import { readlinkSync } from './files.ts'
import { getPriority, setPriority } from 'node:os'

/**
 * Makes the calling thread `more` levels nicer than the process. Linux has a
 * priority for each thread: setpriority(2), "C library/kernel differences".
 */
export const setThreadNice = (more: number): void => {
  try {
    // <pid>/task/<tid>: proc_thread-self(5).
    const self = readlinkSync('/proc/thread-self')
    const thread = Number(self.slice(self.lastIndexOf('/') + 1))
    setPriority(thread, Math.min(MAX_NICE, getPriority(thread) + more))
  } catch {
    // Without /proc it stays as it is.
  }
}

const MAX_NICE = 19
