/** When a server that ends has let go of all that it had open. */

import { setTimeout as sleep } from 'node:timers/promises'
import { readdirSync, readFileSync } from '../system/files.ts'

/** An exit takes some milliseconds; in another PID namespace it is never seen. */
const MAX_WAIT_MS = 2000
const POLL_MS = 2

/**
 * Whether a process is gone, or nothing but its exit status is left: its first
 * thread is a zombie, and there is no other (proc_pid_stat(5)). Its command line
 * goes earlier than its descriptors.
 */
const hasEnded = (pid: number): boolean => {
  try {
    const isZombie = /^\d+ \(.*\) [ZX] /s.test(
      readFileSync(`/proc/${pid}/stat`, 'latin1'),
    )
    return isZombie && readdirSync(`/proc/${pid}/task`).length <= 1
  } catch {
    return true
  }
}

/** Waits until process `pid` has ended, but no longer than two seconds. */
export const waitForEnd = async (pid: number): Promise<void> => {
  const deadline = performance.now() + MAX_WAIT_MS
  while (!hasEnded(pid) && performance.now() < deadline) await sleep(POLL_MS)
}
