/** When a server that ends has let go of all that it had open. */

import { setTimeout as sleep } from 'node:timers/promises'
import { hasEnded } from '../system/process.ts'

/** An exit takes some milliseconds; in another PID namespace it is never seen. */
const MAX_WAIT_MS = 2000
const POLL_MS = 2

/** Waits until process `pid` has ended, but no longer than two seconds. */
export const waitForEnd = async (pid: number): Promise<void> => {
  const deadline = performance.now() + MAX_WAIT_MS
  while (!hasEnded(pid) && performance.now() < deadline) await sleep(POLL_MS)
}
