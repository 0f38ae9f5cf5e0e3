/** What operations that are not served are answered. */

import * as kernel from './layout.ts'
import { REFUSED } from './tally.ts'

/**
 * What the native part refuses by itself, for `fuseReceive`: the ioctls of
 * terminals (TCGETS and its like), by the type in their number. isatty(3) asks,
 * systemd for each file that it reads, and no answer is remembered: two
 * requests in three of a machine that boots.
 */
export const TERMINAL_REFUSAL = Uint32Array.of(
  kernel.FUSE_IOCTL,
  kernel.IN_HEADER_BYTES + kernel.IOCTL_COMMAND,
  kernel.IOCTL_TYPE_MASK,
  kernel.IOCTL_TYPE_TERMINAL,
  kernel.ENOTTY,
  REFUSED,
)

/** FORGETs are not answered. */
export const isForget = (opcode: number): boolean =>
  opcode === kernel.FUSE_FORGET || opcode === kernel.FUSE_BATCH_FORGET

/** The errno for an operation that is not served; ENOSYS is remembered by the kernel. */
export const refusalOf = (opcode: number): number => {
  switch (opcode) {
    case kernel.FUSE_SETATTR:
    case kernel.FUSE_SYMLINK:
    case kernel.FUSE_MKNOD:
    case kernel.FUSE_MKDIR:
    case kernel.FUSE_UNLINK:
    case kernel.FUSE_RMDIR:
    case kernel.FUSE_RENAME:
    case kernel.FUSE_RENAME2:
    case kernel.FUSE_LINK:
    case kernel.FUSE_WRITE:
    case kernel.FUSE_SETXATTR:
    case kernel.FUSE_REMOVEXATTR:
    case kernel.FUSE_CREATE:
    case kernel.FUSE_TMPFILE:
      return kernel.EROFS
    default:
      return kernel.ENOSYS
  }
}
