/**
 * Rows of the table of opcodes (opcodes.ts) that no connection serves.
 *
 * What writes is EROFS; of a superblock that is read-only the kernel says so
 * itself and asks nobody. What is not needed is ENOSYS: asked once, never
 * again, also not by the next server.
 */

import * as kernel from './layout.ts'
import type { Operation } from './operation.ts'
import { REFUSED } from './tally.ts'

const rows = (
  refused: number,
  remembered: string,
  names: readonly (readonly [opcode: number, name: string])[],
): Operation[] =>
  names.map(([opcode, name]) => ({ opcode, name, refused, remembered }))

export const REFUSED_OPERATIONS: readonly Operation[] = [
  ...rows(kernel.EROFS, 'nothing', [
    [kernel.FUSE_SETATTR, 'SETATTR'],
    [kernel.FUSE_SYMLINK, 'SYMLINK'],
    [kernel.FUSE_MKNOD, 'MKNOD'],
    [kernel.FUSE_MKDIR, 'MKDIR'],
    [kernel.FUSE_UNLINK, 'UNLINK'],
    [kernel.FUSE_RMDIR, 'RMDIR'],
    [kernel.FUSE_RENAME, 'RENAME'],
    [kernel.FUSE_LINK, 'LINK'],
    [kernel.FUSE_WRITE, 'WRITE'],
    [kernel.FUSE_SETXATTR, 'SETXATTR'],
    [kernel.FUSE_REMOVEXATTR, 'REMOVEXATTR'],
    [kernel.FUSE_CREATE, 'CREATE'],
    [kernel.FUSE_RENAME2, 'RENAME2'],
    [kernel.FUSE_TMPFILE, 'TMPFILE'],
  ]),
  ...rows(kernel.ENOSYS, 'that it need not ask', [
    [kernel.FUSE_OPEN, 'OPEN'],
    [kernel.FUSE_FSYNC, 'FSYNC'],
    [kernel.FUSE_FLUSH, 'FLUSH'],
    [kernel.FUSE_OPENDIR, 'OPENDIR'],
    [kernel.FUSE_FSYNCDIR, 'FSYNCDIR'],
    [kernel.FUSE_ACCESS, 'ACCESS'],
    [kernel.FUSE_BMAP, 'BMAP'],
    [kernel.FUSE_POLL, 'POLL'],
    [kernel.FUSE_FALLOCATE, 'FALLOCATE'],
    [kernel.FUSE_COPY_FILE_RANGE, 'COPY_FILE_RANGE'],
    [kernel.FUSE_SYNCFS, 'SYNCFS'],
    [kernel.FUSE_STATX, 'STATX'],
    [kernel.FUSE_COPY_FILE_RANGE_64, 'COPY_FILE_RANGE_64'],
  ]),
  ...rows(kernel.ENOSYS, 'not sent: not negotiated', [
    [kernel.FUSE_GETLK, 'GETLK'],
    [kernel.FUSE_SETLK, 'SETLK'],
    [kernel.FUSE_SETLKW, 'SETLKW'],
    [kernel.FUSE_SETUPMAPPING, 'SETUPMAPPING'],
    [kernel.FUSE_REMOVEMAPPING, 'REMOVEMAPPING'],
  ]),
  {
    opcode: kernel.FUSE_INTERRUPT,
    name: 'INTERRUPT',
    refused: kernel.ENOSYS,
    remembered: 'that it need not ask',
    // What it would interrupt may be answered, and it is gone with that.
    mayFindNobody: true,
  },
]

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
