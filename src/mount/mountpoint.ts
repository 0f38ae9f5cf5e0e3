/** Where a repository may be mounted. */

import { fileURLToPath } from 'node:url'
import { DendroError, wrapSystemError } from '../errors.ts'
import { FILESYSTEM_TYPE } from '../fuse/device.ts'
import { isServed } from '../server/server-state.ts'
import type { Repository } from '../store/repository.ts'
import { realpathSync, statSync } from '../system/files.ts'
import { findMount } from '../system/mount-table.ts'
import { MNT_DETACH, unmountAt } from '../system/mounts.ts'
import { SHARED_BASE } from '../system/protocol.ts'

/** Whether `inner` is `outer` or lies below it. */
const isInside = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(outer === '/' ? '/' : `${outer}/`)

/**
 * Whether a mount is awaited at `path`, as systemd has it: until it is made,
 * whoever looks at the path waits, and so would we (autofs(5)).
 */
export const isAutomount = (path: string): boolean =>
  findMount(path)?.type === 'autofs'

/**
 * The real path of a mount point that can be used; what a dead server left there
 * is taken away. Errors: `NOT_A_DIRECTORY`, `MOUNTPOINT_OVERLAPS`, `MOUNT_BUSY`,
 * system errors.
 */
export const checkMountpoint = (
  { paths }: Repository,
  path: string,
): string => {
  let real: string
  try {
    real = isAutomount(path) ? path : realpathSync(path)
    if (!isAutomount(real) && !statSync(real).isDirectory())
      throw new DendroError(
        'NOT_A_DIRECTORY',
        `cannot mount at ${path}: it is not a directory`,
      )
  } catch (error) {
    if (removeStale(path)) return path
    throw wrapSystemError(`cannot mount at ${path}`, error)
  }
  const overlap = (why: string) =>
    new DendroError('MOUNTPOINT_OVERLAPS', `cannot mount at ${real}: ${why}`, {
      hint: 'choose a mount point elsewhere',
    })
  const { root } = paths
  if (isInside(root, real))
    throw overlap(
      `it would cover the repository ${root}, and the server would wait for itself`,
    )
  if (isInside(real, root)) throw overlap(`it is inside the repository ${root}`)
  const own = fileURLToPath(import.meta.url)
  if (isInside(own, real) || isInside(realpathSync(process.execPath), real))
    throw overlap('it would cover the program that serves it')
  if (isInside(SHARED_BASE, real))
    throw overlap(`it would cover ${SHARED_BASE}`)
  removeStale(real)
  if (findMount(real)?.type === FILESYSTEM_TYPE)
    throw new DendroError(
      'MOUNT_BUSY',
      `cannot mount at ${real}: a commit is mounted there already`,
      {
        hint: `dendro umount ${real}`,
      },
    )
  return real
}

/**
 * Takes away what a dead server left mounted at `path`; true when there was
 * such a mount.
 */
const removeStale = (path: string): boolean => {
  const entry = findMount(path)
  if (entry?.type !== FILESYSTEM_TYPE || isServed(entry)) return false
  return unmountAt(path, MNT_DETACH) === 0
}
