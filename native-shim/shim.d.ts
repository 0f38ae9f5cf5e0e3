/**
 * Contract of native-shim/shim.c and shim-fuse.c: system calls only.
 *
 * Every function returns a result >= 0, or -errno. Paths and names are bytes
 * without a NUL at the end, shorter than PATH_MAX (4096), else -ENAMETOOLONG.
 * A wrong argument type throws TypeError. No function keeps a buffer.
 */
export interface Shim {
  /** mount(2). `flags` are MS_* bits; `data` the option string. */
  mount(
    source: Uint8Array,
    target: Uint8Array,
    type: Uint8Array,
    flags: number,
    data: Uint8Array,
  ): number
  /** umount2(2). */
  umount(target: Uint8Array, flags: number): number
  /**
   * fsopen(2), fsmount(2): a descriptor of the root of a new mount that is not
   * attached anywhere. For file systems that need no source.
   */
  detachedMount(type: Uint8Array): number
  /**
   * unshare(2) of the calling thread: other threads, and what they do for it
   * (asynchronous file system calls), stay in the old namespace.
   */
  unshare(flags: number): number
  /**
   * ioctl_ns(2), NS_GET_USERNS: the user namespace that owns the namespace
   * `fd`, as a descriptor. -EPERM when it lies outside of the caller's.
   */
  namespaceOwner(fd: number): number
  /** eventfd(2), non-blocking and close-on-exec. */
  eventfd(): number
  /** socketpair(2) of stream sockets; the two descriptors, close-on-exec, go to `out`. */
  socketpair(out: Int32Array): number
  /** One descriptor by SCM_RIGHTS; blocks. -EPROTO when the peer closed without one. */
  receiveFd(socket: number): number
  /**
   * One request from a non-blocking /dev/fuse, spinning `spinMicros` before it
   * sleeps; a negative number: not waiting at all. -EAGAIN: none is there, or
   * came in `timeoutMs` of sleep (-1: for ever).
   * 0: the eventfd `wake` was written to. -ENODEV: unmounted.
   *
   * `refusal` is opcode, offset, mask, value, errno and a place in `counters`:
   * such requests, whose masked u32 at the offset is the value, are answered with the errno,
   * counted at their opcode and at that place, and not returned, unless the
   * kernel does not take the answer. They are received into `buffer` too.
   */
  fuseReceive(
    fd: number,
    wake: number,
    buffer: Uint8Array,
    spinMicros: number,
    timeoutMs: number,
    refusal: Uint32Array,
    counters: Float64Array,
  ): number
  /**
   * writev(2) of a head and of parts, each a body, where to begin in it and a
   * length; 132 parts at most, else -EFAULT.
   */
  writeParts(
    fd: number,
    head: Uint8Array,
    headLength: number,
    ...parts: (Uint8Array | number)[]
  ): number
  /** flock(2): LOCK_SH 1, LOCK_EX 2, LOCK_NB 4, LOCK_UN 8. */
  flock(fd: number, operation: number): number
  /** posix_fadvise(2), WILLNEED, of bytes of an open file; 0 or -errno. */
  prefetch(fd: number, offsetBytes: number, lengthBytes: number): number
  /**
   * madvise(2), MADV_DONTNEED. Only for mappings of a file that hold no page
   * that was written to: such a page would be lost.
   */
  dropPages(address: number, lengthBytes: number): number
  /** lseek(2): SEEK_DATA 3, SEEK_HOLE 4. */
  lseek(fd: number, offset: number, whence: number): number
  /**
   * openat2(2), close-on-exec. `mode` is 0 where nothing is made; `resolve`
   * are RESOLVE_* bits of <linux/openat2.h>. -ENOSYS before Linux 5.6.
   */
  openat2(
    directory: number,
    path: Uint8Array,
    flags: number,
    mode: number,
    resolve: number,
  ): number
  /**
   * getdents64(2) of an open directory: bytes of struct linux_dirent64, 0 at
   * the end.
   */
  getdents(fd: number, names: Uint8Array): number
  /**
   * lgetxattr(2), or getxattr(2) where `follow` is not 0: bytes of the value;
   * -ERANGE when `value` is too small.
   */
  getXattr(
    path: Uint8Array,
    name: Uint8Array,
    value: Uint8Array,
    follow: number,
  ): number
  /** llistxattr(2), or listxattr(2): NUL-terminated names. */
  listXattr(path: Uint8Array, list: Uint8Array, follow: number): number
  lsetxattr(path: Uint8Array, name: Uint8Array, value: Uint8Array): number
  lremovexattr(path: Uint8Array, name: Uint8Array): number
  /**
   * fstatat(2) of a path from `directory` (-100: the current one), or of that
   * descriptor itself where the path is empty; follows no link at its end.
   * Into 16 doubles: mode, uid, gid, size, blocks, mtime sec, nsec, ctime sec,
   * nsec, dev, ino high 32 bits, ino low 32, nlink, rdev major, rdev minor, 0.
   */
  statAt(directory: number, path: Uint8Array, out: Float64Array): number
  /** renameat2(2), RENAME_EXCHANGE: two names of one file system change places. */
  exchange(one: Uint8Array, other: Uint8Array): number
  /** utimensat(2) without following a link; leaves atime alone. */
  setMtime(path: Uint8Array, sec: number, nsec: number): number
  /** mknod(2). */
  mknod(path: Uint8Array, mode: number, major: number, minor: number): number
  /** memfd_create(2), close-on-exec. */
  memfd(name: Uint8Array): number
  /**
   * The first `length` bytes of a file, mapped shared until the buffer is
   * collected. The file must be that long and stay so, else SIGBUS.
   */
  mapShared(fd: number, length: number): ArrayBuffer | number
  /**
   * sendmsg(2) of a datagram and up to 8 descriptors to the Unix socket at
   * `path` ("@name" is an abstract one).
   */
  sendDatagram(path: Uint8Array, text: Uint8Array, fds: Int32Array): number
  /** timer_create(2): SIGCONT to this process every `ms` milliseconds. */
  continueEvery(ms: number): number
  /** fcntl(2): adds O_NONBLOCK. */
  setNonBlocking(fd: number): number
  /** _exit(2). Never returns. */
  exit(code: number): never
}
