/**
 * When a shared server ends: once nobody can reach a mount of its superblock
 * any more, and nobody is about to.
 */

import { rmSync } from '../system/files.ts'
import { dirname, join } from 'node:path'
import { MNT_DETACH, unmountAt } from '../system/mounts.ts'
import { tryLock } from '../system/lock.ts'
import { findMount, readMountTable } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { hasOthers, isMountedElsewhere } from './mount-users.ts'
import { viewHoldPath } from './runtime-directory.ts'
import type { ServerConfig } from './server-config.ts'
import { serverProcessesIn } from './server-state.ts'
import { RUNTIME_FILE } from '../system/protocol.ts'

/** How long a launcher that makes the first mount itself may take. */
const FIRST_MOUNT_MS = 300_000

/** An image in a commit, say. */
const isLoop = ({ source }: MountEntry): boolean =>
  source.startsWith('/dev/loop')

export class EndOfUse {
  readonly #config: ServerConfig
  readonly #keeperPid: () => number
  readonly #sinceMs = performance.now()
  #wasUsed: boolean

  constructor(config: ServerConfig, keeperPid: () => number) {
    this.#config = config
    this.#keeperPid = keeperPid
    this.#wasUsed = config.isBoundByLauncher !== true
  }

  /** Takes the view away when nobody uses it; the kernel then ends the server. */
  endIfUnused(isAsked = false): boolean {
    const { endsWhenUnused, runtimeDirectory } = this.#config
    if (!endsWhenUnused) return false
    // Whoever is about to bind out of the view holds it.
    const hold = this.#tryHold()
    if (hold === undefined) return false
    try {
      if (this.#isUsed(isAsked)) return false
      rmSync(join(runtimeDirectory, RUNTIME_FILE.controlSocket), {
        force: true,
      })
      this.#unmount()
      return true
    } finally {
      hold.release()
    }
  }

  /**
   * The view, and where no process is left whatever else may keep its
   * superblock: an overlay may name its layers as it likes.
   */
  #unmount(): void {
    const { mountpoint } = this.#config
    const device = findMount(mountpoint)?.device
    const isDeserted = !hasOthers(this.#servers())
    const isOurs = (entry: MountEntry): boolean =>
      entry.device === device ||
      (isDeserted && (entry.type === 'overlay' || isLoop(entry)))
    for (const entry of readMountTable().reverse())
      if (isOurs(entry)) unmountAt(entry.mountpoint, MNT_DETACH)
  }

  #servers(): ReadonlySet<number> {
    const found = serverProcessesIn(dirname(this.#config.runtimeDirectory))
    return found.add(process.pid).add(this.#keeperPid())
  }

  #tryHold() {
    try {
      return tryLock(viewHoldPath(this.#config.runtimeDirectory), 'exclusive')
    } catch {
      // The directory was removed by hand: nobody comes through it any more.
      return { release: () => undefined }
    }
  }

  #isUsed(isAsked: boolean): boolean {
    const { mountpoint } = this.#config
    const own = findMount(mountpoint)
    if (own === undefined) return true
    const isUsed = isMountedElsewhere(own.device, mountpoint, this.#servers())
    this.#wasUsed ||= isUsed || isAsked
    const isAwaited =
      !this.#wasUsed && performance.now() - this.#sinceMs < FIRST_MOUNT_MS
    return isUsed || isAwaited
  }
}
