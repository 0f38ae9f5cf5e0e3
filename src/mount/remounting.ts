/** Changes a mount that is there: `mount -o remount`. */

import { DendroError } from '../errors.ts'
import { MS_BIND, MS_RDONLY, MS_REMOUNT, mountAt } from '../system/mounts.ts'
import { bindFlags, DEFAULT_MOUNT_OPTIONS } from './mount-options.ts'
import type { MountOptions } from './mount-options.ts'
import { requireMount } from './unmounting.ts'
import { isRoot } from '../system/root-user.ts'

/** What the mount has and not the server, and what the kernel says of it. */
const CHANGEABLE: readonly (keyof MountOptions)[] = [
  'suid',
  'dev',
  'exec',
  'allowOther',
]

/**
 * Sets what of the mount at `path` is its own: suid, dev and exec.
 * Errors: `NOT_MOUNTED`, `PERMISSION_DENIED`, `INVALID_ARGUMENT`.
 */
export const remount = (path: string, options: MountOptions): void => {
  const { mountpoint } = requireMount(path)
  const fixed = Object.keys(options) as (keyof MountOptions)[]
  for (const name of fixed)
    if (
      !CHANGEABLE.includes(name) &&
      options[name] !== DEFAULT_MOUNT_OPTIONS[name]
    )
      throw new DendroError(
        'INVALID_ARGUMENT',
        `cannot remount ${path}: ${name} is told to a server when it starts`,
        {
          hint: 'umount it and mount it again; only suid, dev and exec change',
        },
      )
  if (!isRoot())
    throw new DendroError(
      'PERMISSION_DENIED',
      `cannot remount ${path}: only root may`,
      { hint: 'umount it and mount it again' },
    )
  mountAt(
    'none',
    mountpoint,
    'none',
    MS_BIND | MS_REMOUNT | MS_RDONLY | bindFlags(options),
  )
}
