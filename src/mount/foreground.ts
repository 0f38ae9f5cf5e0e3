/** `dendro mount --foreground`: stays until the mount is gone, for supervisors. */

import { setTimeout as sleep } from 'node:timers/promises'
import { FILESYSTEM_TYPE } from '../fuse/device.ts'
import { unmountRepository } from './unmounting.ts'
import { findMount } from '../system/mount-table.ts'
import { writeNote } from '../system/standard-streams.ts'

const POLL_MS = 250

/** Returns when nothing is mounted there; SIGTERM and SIGINT unmount it. */
export const waitUntilUnmounted = async (mountpoint: string): Promise<void> => {
  let isEnding = false
  const end = (): void => {
    if (isEnding) return
    isEnding = true
    // A failure shows as a mount that stays; the loop goes on.
    unmountRepository(mountpoint, true).catch((error: unknown) => {
      writeNote(`dendro: ${String(error)}\n`)
    })
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  while (findMount(mountpoint)?.type === FILESYSTEM_TYPE) await sleep(POLL_MS)
}
