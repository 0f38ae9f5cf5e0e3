/**
 * What can be entered, and the lock of its layer: whoever mounts a layer, writes
 * in one that is not mounted, or removes one, holds it meanwhile.
 *
 * Locks are taken in this order: the sysroot's (transaction.ts), then those of
 * layers. Who holds a layer's waits for no other lock of deployments; a command
 * that is entered takes the layer's alone.
 */

import { join } from 'node:path'
import { DendroError, wrapSystemError } from '../errors.ts'
import { accessSync, constants, existsSync, statSync } from '../system/files.ts'
import { acquireLock, tryLock } from '../system/lock.ts'
import type { FileLock, OnWait } from '../system/lock.ts'
import {
  deploymentName,
  deploymentPath,
  layerPath,
  shortName,
} from './sysroot.ts'
import type { DeploymentId, SysrootPaths } from './sysroot.ts'

/** What has an /etc that is mounted once at a time: a deployment, an instance. */
export interface Enterable {
  /** For messages. */
  readonly name: string
  readonly directory: string
  /** Locked while its layer is mounted, changed or removed; root's alone. */
  readonly lock: string
  /** The upper directory of its /etc, by which it is recognised. */
  readonly upper: string
}

export const enterableOf = (
  paths: SysrootPaths,
  id: DeploymentId,
): Enterable => ({
  name: shortName(id),
  directory: deploymentPath(paths, id),
  lock: join(deploymentPath(paths, id), 'etc'),
  upper: layerPath(paths, id),
})

/** Waits for whoever mounts, changes or removes it just now. Errors: `NOT_FOUND`. */
export const lockEnterable = async (
  { name, lock: path }: Enterable,
  onWait?: OnWait,
): Promise<FileLock> => {
  const inode = () =>
    statSync(path, { bigint: true, throwIfNoEntry: false })?.ino
  for (;;) {
    const before = inode()
    if (before === undefined)
      throw new DendroError('NOT_FOUND', `${name} was removed just now`, {
        hint: 'dendro status lists what there is',
      })
    let lock: FileLock
    try {
      lock = await acquireLock(path, 'exclusive', onWait)
    } catch (error) {
      if (inode() === undefined) continue
      throw error
    }
    if (inode() === before) return lock
    lock.release()
  }
}

/**
 * For who is to mount a layer: the kernel calls a read-only one an invalid
 * argument. Errors: system errors.
 */
export const requireWritableLayer = ({ name, upper }: Enterable): void => {
  try {
    accessSync(upper, constants.W_OK)
  } catch (error) {
    throw wrapSystemError(`cannot mount the /etc of ${name}`, error)
  }
}

/** The layers that one change has locked, until it ends. */
export class LayerLocks {
  readonly #paths: SysrootPaths
  readonly #onWait: OnWait | undefined
  readonly #held = new Map<string, FileLock>()

  constructor(paths: SysrootPaths, onWait: OnWait | undefined) {
    this.#paths = paths
    this.#onWait = onWait
  }

  /** Once for each; whether it was locked just now. Errors: `NOT_FOUND`. */
  async lock(id: DeploymentId): Promise<boolean> {
    const name = deploymentName(id)
    if (this.#held.has(name)) return false
    const enterable = enterableOf(this.#paths, id)
    this.#held.set(name, await lockEnterable(enterable, this.#onWait))
    return true
  }

  /**
   * Locks what is at `name` (`deploymentName`) without waiting; 'no' when
   * another holds it. What was made by halves has no layer to lock.
   */
  tryLock(name: string): 'now' | 'before' | 'no' {
    if (this.#held.has(name)) return 'before'
    const path = join(this.#paths.deploy, name, 'etc')
    if (!existsSync(path)) return 'before'
    const lock = tryLock(path, 'exclusive')
    if (lock === undefined) return 'no'
    this.#held.set(name, lock)
    return 'now'
  }

  release(): void {
    for (const lock of this.#held.values()) lock.release()
    this.#held.clear()
  }
}
