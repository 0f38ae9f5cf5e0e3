/**
 * Numbers of the FUSE kernel protocol, with the kernel's own names.
 *
 * Source: include/uapi/linux/fuse.h, protocol 7.45. Little-endian; offsets are
 * in bytes. docs/fuse.md says what is negotiated and why.
 */

export const FUSE_KERNEL_VERSION = 7
export const FUSE_KERNEL_MINOR_VERSION = 45

// enum fuse_opcode; opcodes.ts has a row for each.
export const FUSE_LOOKUP = 1
export const FUSE_FORGET = 2
export const FUSE_GETATTR = 3
export const FUSE_SETATTR = 4
export const FUSE_READLINK = 5
export const FUSE_SYMLINK = 6
export const FUSE_MKNOD = 8
export const FUSE_MKDIR = 9
export const FUSE_UNLINK = 10
export const FUSE_RMDIR = 11
export const FUSE_RENAME = 12
export const FUSE_LINK = 13
export const FUSE_OPEN = 14
export const FUSE_READ = 15
export const FUSE_WRITE = 16
export const FUSE_STATFS = 17
export const FUSE_RELEASE = 18
export const FUSE_FSYNC = 20
export const FUSE_SETXATTR = 21
export const FUSE_GETXATTR = 22
export const FUSE_LISTXATTR = 23
export const FUSE_REMOVEXATTR = 24
export const FUSE_FLUSH = 25
export const FUSE_INIT = 26
export const FUSE_OPENDIR = 27
export const FUSE_READDIR = 28
export const FUSE_RELEASEDIR = 29
export const FUSE_FSYNCDIR = 30
export const FUSE_GETLK = 31
export const FUSE_SETLK = 32
export const FUSE_SETLKW = 33
export const FUSE_ACCESS = 34
export const FUSE_CREATE = 35
export const FUSE_INTERRUPT = 36
export const FUSE_BMAP = 37
export const FUSE_DESTROY = 38
export const FUSE_IOCTL = 39
export const FUSE_POLL = 40
export const FUSE_NOTIFY_REPLY = 41
export const FUSE_BATCH_FORGET = 42
export const FUSE_FALLOCATE = 43
export const FUSE_READDIRPLUS = 44
export const FUSE_RENAME2 = 45
export const FUSE_LSEEK = 46
export const FUSE_COPY_FILE_RANGE = 47
export const FUSE_SETUPMAPPING = 48
export const FUSE_REMOVEMAPPING = 49
export const FUSE_SYNCFS = 50
export const FUSE_TMPFILE = 51
export const FUSE_STATX = 52
export const FUSE_COPY_FILE_RANGE_64 = 53

/** Opcodes above this one are counted in one slot. */
export const MAX_COUNTED_OPCODE = 63

// INIT flags, word 1.
export const FUSE_ASYNC_READ = 0x1
export const FUSE_DO_READDIRPLUS = 0x2000
export const FUSE_NO_OPEN_SUPPORT = 0x20000
export const FUSE_PARALLEL_DIROPS = 0x40000
export const FUSE_POSIX_ACL = 0x100000
export const FUSE_MAX_PAGES = 0x400000
export const FUSE_CACHE_SYMLINKS = 0x800000
export const FUSE_NO_OPENDIR_SUPPORT = 0x1000000
export const FUSE_EXPLICIT_INVAL_DATA = 0x2000000
export const FUSE_INIT_EXT = 0x40000000
// INIT flags, word 2.
export const FUSE_HAS_RESEND = 0x80
export const FUSE_ALLOW_IDMAP = 0x100

// struct fuse_in_header
export const IN_HEADER_BYTES = 40
export const IN_LEN = 0
export const IN_OPCODE = 4
export const IN_UNIQUE = 8
export const IN_NODEID = 16

/** In struct fuse_ioctl_in; of what kind it is. Source: asm-generic/ioctl.h */
export const IOCTL_COMMAND = 12
export const IOCTL_TYPE_MASK = 0xff00
export const IOCTL_TYPE_TERMINAL = 0x5400 // 'T'
/** In struct fuse_ioctl_in: how many bytes of data the answer has room for. */
export const IOCTL_OUT_SIZE = 28
/** Flags of chattr(1): a long of which int is used, and struct fsxattr. */
export const FS_IOC_GETFLAGS = 0x80086601
export const FS_IOC_FSGETXATTR = 0x801c581f

/** In struct fuse_read_in, also of READDIR and READDIRPLUS. */
export const READ_OFFSET = 8
export const READ_SIZE = 16

/** struct fuse_getxattr_in: the name stands behind it. */
export const GETXATTR_IN_BYTES = 8

/** In struct fuse_lseek_in. */
export const LSEEK_OFFSET = 8
export const LSEEK_WHENCE = 16
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

// struct fuse_out_header
export const OUT_HEADER_BYTES = 16

export const ATTR_BYTES = 88
export const ENTRY_OUT_BYTES = 128
export const ATTR_OUT_BYTES = 104
export const DIRENT_BYTES = 24
export const INIT_OUT_BYTES = 64
export const STATFS_OUT_BYTES = 80
export const IOCTL_OUT_BYTES = 16
export const LSEEK_OUT_BYTES = 8
export const GETXATTR_OUT_BYTES = 8
/** Longer names are no file's. */
export const NAME_MAX_BYTES = 255
export const FORGET_ONE_BYTES = 16

export const FUSE_NOTIFY_INVAL_INODE = 2
export const FUSE_NOTIFY_INVAL_ENTRY = 3
/** Kernel 6.9: what was read and not answered is sent again. */
export const FUSE_NOTIFY_STORE = 4
export const FUSE_NOTIFY_RESEND = 7

export const FUSE_ROOT_ID = 1

/** What requests are answered with; the numbers are the system's. */
export {
  EAGAIN,
  ECONNABORTED,
  EINVAL,
  EIO,
  ENAMETOOLONG,
  ENODATA,
  ENODEV,
  ENOENT,
  ENOSYS,
  ENOTTY,
  ERANGE,
  EROFS,
} from '../system/errno.ts'
