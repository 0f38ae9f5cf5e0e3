/**
 * mount(2) and umount2(2) and their flags. Mounts of an ordinary user are made
 * by fusermount.ts; mount-table.ts reads what is there; how options are written
 * is in bytes/mount-text.ts.
 *
 * Flags: include/uapi/linux/mount.h, include/linux/fs.h (umount).
 */

import { textToBytes } from '../bytes/byte-text.ts'
import { check, shim, tryShim } from './native.ts'

export const MS_RDONLY = 1
export const MS_NOSUID = 2
export const MS_NODEV = 4
export const MS_NOEXEC = 8
export const MS_REMOUNT = 32
export const MS_BIND = 4096
export const MS_REC = 16384
export const MS_PRIVATE = 1 << 18
export const MNT_DETACH = 2
export const UMOUNT_NOFOLLOW = 8

/** Of <linux/sched.h>, for unshare(2). */
const CLONE_NEWNS = 0x00020000

/** mount(2), with an error that names the mount point as `shown`. */
export const mountAt = (
  source: string,
  target: string,
  type: string,
  flags: number,
  data = '',
  shown = target,
): void => {
  const result = shim().mount(
    textToBytes(source),
    textToBytes(target),
    textToBytes(type),
    flags,
    textToBytes(data),
  )
  check(result, `cannot mount at ${shown}`)
}

/** umount2(2); returns 0 or -errno. */
export const unmountAt = (target: string, flags = 0): number =>
  shim().umount(textToBytes(target), flags)

/**
 * A descriptor of a new mount of `type` that is attached nowhere, of a file
 * system without a source: fsopen(2), fsmount(2). It goes with the descriptor.
 * Undefined where the kernel or the shim cannot, or this user may not.
 */
export const detachedMount = (type: string): number | undefined => {
  const fd = tryShim()?.detachedMount(Buffer.from(type)) ?? -1
  return fd < 0 ? undefined : fd
}

/**
 * Gives the calling thread a mount namespace of its own, whose mounts nobody
 * else gets: unshare(2). Other threads stay where they are.
 */
export const leaveMountNamespace = (): void => {
  check(shim().unshare(CLONE_NEWNS), 'cannot make a mount namespace')
  mountAt('none', '/', 'none', MS_REC | MS_PRIVATE)
}
