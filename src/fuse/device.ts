/**
 * Opens and mounts /dev/fuse: by mount(2) as root, through fusermount3 as an
 * ordinary user.
 *
 * The superblock is read-only: reads then never invalidate attributes (the
 * kernel would otherwise ask for them again after every access).
 */

import { escapeOption } from '../bytes/mount-text.ts'
import { closeSync, constants, existsSync, openSync } from '../system/files.ts'
import { DendroError, wrapSystemError } from '../errors.ts'
import { mountByFusermount } from '../system/fusermount.ts'
import { MS_RDONLY, mountAt } from '../system/mounts.ts'
import { check, shim } from '../system/native.ts'
import { isProgramMissing, spawnFailure } from '../system/spawn-failure.ts'

export const FILESYSTEM_TYPE = 'fuse.dendro'

/** Opens /dev/fuse for a session. Errors: `MOUNT_FAILED`. */
const openDevice = (): number => {
  const path = '/dev/fuse'
  if (!existsSync(path))
    throw new DendroError(
      'MOUNT_FAILED',
      'cannot mount: there is no /dev/fuse',
      {
        hint: 'load the kernel module: modprobe fuse',
      },
    )
  try {
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  } catch (error) {
    throw wrapSystemError('cannot open /dev/fuse', error)
  }
}

/**
 * Mounts as root; returns the descriptor. `flags` are MS_* bits besides
 * MS_RDONLY; `source` is what the mount table shows.
 */
export const mountDevice = (
  target: string,
  source: string,
  flags: number,
): number => {
  const fd = openDevice()
  const data = `fd=${fd},rootmode=40755,user_id=0,group_id=0,default_permissions,allow_other`
  try {
    mountAt(source, target, FILESYSTEM_TYPE, flags | MS_RDONLY, data)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return fd
}

/**
 * Mounts as an ordinary user: fusermount3 opens and mounts the device and
 * sends it over a socket. Errors: `MOUNT_FAILED`.
 */
export const mountDeviceAsUser = (
  target: string,
  source: string,
  allowOther: boolean,
): number => {
  const native = shim()
  const pair = new Int32Array(2)
  check(native.socketpair(pair), 'cannot make a socket pair')
  const [ours, theirs] = pair as unknown as [number, number]
  const options = [
    'ro',
    'nosuid',
    'nodev',
    'default_permissions',
    'subtype=dendro',
    `fsname=${escapeOption(source)}`,
    ...(allowOther ? ['allow_other'] : []),
  ]
  const result = mountByFusermount(target, options, theirs)
  closeSync(theirs)
  try {
    if (result.error !== undefined)
      throw new DendroError(
        'MOUNT_FAILED',
        `cannot mount: ${spawnFailure('fusermount3', result.error)}`,
        {
          cause: result.error,
          ...(isProgramMissing(result.error)
            ? { hint: 'install the package fuse3' }
            : {}),
        },
      )
    if (!result.isDone)
      throw new DendroError(
        'MOUNT_FAILED',
        `cannot mount at ${target}: ${result.complaint}`,
        {
          hint: result.complaint.includes('/dev/fuse')
            ? 'ask root to open the device to all: chmod 666 /dev/fuse'
            : 'the mount point must be yours and writable',
        },
      )
    const fd = check(native.receiveFd(ours), 'cannot receive /dev/fuse')
    check(native.setNonBlocking(fd), 'cannot make /dev/fuse non-blocking')
    return fd
  } finally {
    closeSync(ours)
  }
}
