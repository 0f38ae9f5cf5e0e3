/** What operations that are not served are answered. */

import * as kernel from './layout.ts'

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
    case kernel.FUSE_IOCTL:
      // Not remembered by the kernel when ENOSYS: ENOTTY says the same.
      return kernel.ENOTTY
    default:
      return kernel.ENOSYS
  }
}
