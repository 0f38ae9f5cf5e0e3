/**
 * What the errors of system calls are called here: a code, why it failed in
 * words, and what to do about it. Names and meanings: errno(3).
 */

import type { ErrorCode } from './errors.ts'

export interface ErrnoWords {
  readonly code: ErrorCode
  readonly why: string
  readonly hint: string
}

const words = (code: ErrorCode, why: string, hint: string): ErrnoWords => ({
  code,
  why,
  hint,
})

const CHECK_PATH = 'check the path'

const WORDS: Readonly<Record<string, ErrnoWords>> = {
  ENOSPC: words(
    'NO_SPACE',
    'no space left on device',
    'free some space and run the command again',
  ),
  EDQUOT: words(
    'NO_SPACE',
    'the disk quota is used up',
    'free some space, or have the quota raised',
  ),
  EFBIG: words(
    'NO_SPACE',
    'the file would become too large',
    'see ulimit -f, and what the file system can hold',
  ),
  EACCES: words(
    'PERMISSION_DENIED',
    'permission denied',
    'run as its owner or as root',
  ),
  EPERM: words(
    'PERMISSION_DENIED',
    'operation not permitted',
    'run as root; root may not change what is immutable (lsattr)',
  ),
  EROFS: words(
    'PERMISSION_DENIED',
    'the file system is read-only',
    'mount it writable, or use a copy',
  ),
  ENOENT: words('NOT_FOUND', 'no such file or directory', CHECK_PATH),
  ENOTDIR: words('NOT_A_DIRECTORY', 'not a directory', CHECK_PATH),
  EISDIR: words('IS_A_DIRECTORY', 'it is a directory', 'name a file'),
  EEXIST: words('TARGET_EXISTS', 'it exists', 'name another, or remove it'),
  ENOTEMPTY: words(
    'TARGET_EXISTS',
    'the directory is not empty',
    'name another, or empty it',
  ),
  ELOOP: words(
    'INVALID_ARGUMENT',
    'a symbolic link is in the way, or too many are',
    'name the place that is meant without links',
  ),
  ENAMETOOLONG: words(
    'INVALID_ARGUMENT',
    'a name is longer than 255 bytes, or the path than 4095',
    'use a shorter one, or a path from a directory below',
  ),
  EXDEV: words(
    'INVALID_ARGUMENT',
    'it leads to another file system',
    'name a place on the same file system',
  ),
  EMLINK: words(
    'LIMIT_EXCEEDED',
    'the file system allows no more links of the file',
    'use another file system',
  ),
  EMFILE: words(
    'IO_ERROR',
    'too many files are open in this process',
    'raise ulimit -n',
  ),
  ENFILE: words(
    'IO_ERROR',
    'too many files are open in the system',
    'end some programs, or raise fs.file-max',
  ),
  ENOMEM: words('IO_ERROR', 'out of memory', 'end some programs'),
  EIO: words(
    'IO_ERROR',
    'the device fails to read or write',
    'see the kernel log (dmesg), and save what is left',
  ),
  EUCLEAN: words(
    'IO_ERROR',
    'the file system is damaged',
    'see the kernel log (dmesg), and check it with fsck',
  ),
  EBUSY: words(
    'IO_ERROR',
    'it is in use',
    'end what uses it (fuser -m shows who)',
  ),
  ETXTBSY: words(
    'IO_ERROR',
    'the program is running',
    'end it and run the command again',
  ),
  EBADF: words(
    'IO_ERROR',
    'the descriptor is closed or not open for that',
    'redirect it to a file or to /dev/null',
  ),
  EINVAL: words(
    'IO_ERROR',
    'the kernel or the file system does not take this',
    'see the kernel log (dmesg)',
  ),
  EOPNOTSUPP: words(
    'IO_ERROR',
    'the file system cannot do this',
    'use another file system',
  ),
  ENOSYS: words(
    'IO_ERROR',
    'the kernel cannot do this',
    'use a newer kernel, or a container that allows it',
  ),
  ENODEV: words(
    'IO_ERROR',
    'the device or the kind of file system is not there',
    'see the kernel log (dmesg)',
  ),
  ENOTCONN: words(
    'SERVER_UNREACHABLE',
    'nobody serves the mount any more',
    'unmount it: umount -l DIR',
  ),
  ESTALE: words(
    'IO_ERROR',
    'the file is no longer there on the server',
    'run the command again',
  ),
  E2BIG: words(
    'INVALID_ARGUMENT',
    'the arguments are too long',
    'use fewer or shorter ones',
  ),
}

/** Other names of the same number. */
const ALIASES: Readonly<Record<string, string>> = {
  ENOTSUP: 'EOPNOTSUPP',
  EWOULDBLOCK: 'EAGAIN',
}

/** The words for an errno name such as `ENOENT`, as far as there are any. */
export const wordsOf = (errno: string): ErrnoWords | undefined =>
  WORDS[ALIASES[errno] ?? errno]
