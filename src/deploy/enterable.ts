/**
 * What can be entered, and the lock of its layer: whoever mounts a layer, writes
 * in one that is not mounted, or removes one, holds it meanwhile.
 *
 * Locks are taken in this order: the sysroot's (transaction.ts), then those of
 * layers. Who holds a layer's waits for no other lock of deployments; a command
 * that is entered takes the layer's alone.
 */

import { join } from 'node:path'
import { DendroError } from '../errors.ts'
import { statSync } from '../system/files.ts'
import { acquireLock } from '../system/lock.ts'
import type { FileLock, OnWait } from '../system/lock.ts'
import { deploymentPath, layerPath, shortName } from './sysroot.ts'
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
    const lock = await acquireLock(path, 'exclusive', onWait)
    if (inode() === before) return lock
    lock.release()
  }
}
