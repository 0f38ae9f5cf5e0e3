/*
 * System calls that Node.js lacks, and nothing but system calls.
 *
 * Every function returns a non-negative result or -errno as a number, and
 * throws only when an argument has the wrong type. No policy, no formats, no
 * state. Contract: native-shim/shim.d.ts; those of /dev/fuse: shim-fuse.c
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static FUNCTION(shim_mount) {
  args_t a = get_args(env, info);
  PATH(source, 0);
  PATH(target, 1);
  PATH(type, 2);
  unsigned long flags = (unsigned long)get_number(&a, 3);
  PATH(data, 4);
  if (a.failed) return NULL;
  return result_of(env, mount(source, target, type, flags, data));
}

static FUNCTION(shim_umount) {
  args_t a = get_args(env, info);
  PATH(target, 0);
  int flags = (int)get_number(&a, 1);
  if (a.failed) return NULL;
  return result_of(env, umount2(target, flags));
}

/* By number: C libraries have the calls only since 2022. */
static FUNCTION(shim_detached_mount) {
  args_t a = get_args(env, info);
  PATH(type, 0);
  enum { CREATE = 6 /* FSCONFIG_CMD_CREATE */ };
  int context = (int)syscall(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */);
  if (context < 0) return number(env, -errno);
  long result = syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0);
  if (result == 0)
    result = syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0);
  if (result < 0) result = -errno;
  close(context);
  return number(env, (double)result);
}

static FUNCTION(shim_unshare) {
  args_t a = get_args(env, info);
  int flags = (int)get_number(&a, 0);
  if (a.failed) return NULL;
  return result_of(env, unshare(flags));
}

static FUNCTION(shim_namespace_owner) {
  args_t a = get_args(env, info);
  int fd = (int)get_number(&a, 0);
  if (a.failed) return NULL;
  return result_of(env, ioctl(fd, NS_GET_USERNS));
}

static FUNCTION(shim_eventfd) {
  (void)info;
  return result_of(env, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static FUNCTION(shim_socketpair) {
  args_t a = get_args(env, info);
  size_t length;
  int32_t *out = get_bytes(&a, 0, &length);
  if (a.failed) return NULL;
  if (length < 8) return number(env, -EINVAL);
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) return number(env, -errno);
  out[0] = fds[0];
  out[1] = fds[1];
  return number(env, 0);
}

/* A datagram to a Unix socket, with descriptors by SCM_RIGHTS. */
static FUNCTION(shim_send_datagram) {
  args_t a = get_args(env, info);
  size_t path_length, text_length, fds_length;
  const char *path = get_bytes(&a, 0, &path_length);
  void *text = get_bytes(&a, 1, &text_length);
  const int32_t *fds = get_bytes(&a, 2, &fds_length);
  if (a.failed) return NULL;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  enum { MAX_FDS = 8 };
  if (path_length == 0 || path_length >= sizeof address.sun_path ||
      fds_length > MAX_FDS * sizeof(int))
    return number(env, -EINVAL);
  memcpy(address.sun_path, path, path_length);
  /* "@name" is how an abstract socket is written down. */
  if (address.sun_path[0] == '@') address.sun_path[0] = 0;
  struct iovec iov = {.iov_base = text, .iov_len = text_length};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(MAX_FDS * sizeof(int))];
  } control;
  struct msghdr message = {
      .msg_name = &address,
      .msg_namelen =
          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_length),
      .msg_iov = &iov,
      .msg_iovlen = 1};
  if (fds_length > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(fds_length);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(fds_length);
    memcpy(CMSG_DATA(&control.header), fds, fds_length);
  }
  int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sock < 0) return number(env, -errno);
  long sent = sendmsg(sock, &message, MSG_NOSIGNAL);
  long result = sent < 0 ? -errno : sent;
  close(sock);
  return number(env, result);
}

static FUNCTION(shim_memfd) {
  args_t a = get_args(env, info);
  PATH(name, 0);
  return result_of(env, memfd_create(name, MFD_CLOEXEC));
}

static void unmap(napi_env env, void *data, void *hint) {
  (void)env;
  munmap(data, (size_t)(uintptr_t)hint);
}

/* The first `length` bytes of a file as an ArrayBuffer that others share. */
static FUNCTION(shim_map_shared) {
  args_t a = get_args(env, info);
  int fd = (int)get_number(&a, 0);
  size_t length = (size_t)get_number(&a, 1);
  if (a.failed) return NULL;
  void *data = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return number(env, -errno);
  napi_value result;
  if (napi_create_external_arraybuffer(env, data, length, unmap,
                                       (void *)(uintptr_t)length,
                                       &result) != napi_ok) {
    munmap(data, length);
    return number(env, -ENOTSUP);
  }
  return result;
}

static FUNCTION(shim_flock) {
  args_t a = get_args(env, info);
  int fd = (int)get_number(&a, 0);
  int operation = (int)get_number(&a, 1);
  if (a.failed) return NULL;
  int result;
  do result = flock(fd, operation);
  while (result < 0 && errno == EINTR);
  return result_of(env, result);
}

static FUNCTION(shim_lseek) {
  args_t a = get_args(env, info);
  int fd = (int)get_number(&a, 0);
  off_t offset = (off_t)get_number(&a, 1);
  int whence = (int)get_number(&a, 2);
  if (a.failed) return NULL;
  return result_of(env, lseek(fd, offset, whence));
}

/* Tells the kernel that bytes of an open file will be needed. */
static FUNCTION(shim_prefetch) {
  args_t a = get_args(env, info);
  int fd = (int)get_number(&a, 0);
  off_t offset = (off_t)get_number(&a, 1);
  off_t length = (off_t)get_number(&a, 2);
  if (a.failed) return NULL;
  return number(env, -posix_fadvise(fd, offset, length, POSIX_FADV_WILLNEED));
}

static FUNCTION(shim_openat2) {
  args_t a = get_args(env, info);
  int directory = (int)get_number(&a, 0);
  PATH(path, 1);
  struct open_how how = {.flags = (uint64_t)get_number(&a, 2) | O_CLOEXEC,
                         .mode = (uint64_t)get_number(&a, 3),
                         .resolve = (uint64_t)get_number(&a, 4)};
  if (a.failed) return NULL;
  return result_of(env, syscall(SYS_openat2, directory, path, &how, sizeof how));
}

/* Names of the directory at `fd` as struct linux_dirent64, some at a time. */
static FUNCTION(shim_getdents) {
  args_t a = get_args(env, info);
  int fd = (int)get_number(&a, 0);
  size_t length;
  void *names = get_bytes(&a, 1, &length);
  if (a.failed) return NULL;
  return result_of(env, syscall(SYS_getdents64, fd, names, length));
}

static FUNCTION(shim_get_xattr) {
  args_t a = get_args(env, info);
  PATH(path, 0);
  PATH(name, 1);
  size_t length;
  void *value = get_bytes(&a, 2, &length);
  bool follow = get_number(&a, 3) != 0;
  if (a.failed) return NULL;
  return result_of(env, follow ? getxattr(path, name, value, length)
                               : lgetxattr(path, name, value, length));
}

static FUNCTION(shim_list_xattr) {
  args_t a = get_args(env, info);
  PATH(path, 0);
  size_t length;
  void *list = get_bytes(&a, 1, &length);
  bool follow = get_number(&a, 2) != 0;
  if (a.failed) return NULL;
  return result_of(env, follow ? listxattr(path, list, length)
                               : llistxattr(path, list, length));
}

static FUNCTION(shim_lsetxattr) {
  args_t a = get_args(env, info);
  PATH(path, 0);
  PATH(name, 1);
  size_t length;
  const void *value = get_bytes(&a, 2, &length);
  if (a.failed) return NULL;
  return result_of(env, lsetxattr(path, name, value, length, 0));
}

static FUNCTION(shim_lremovexattr) {
  args_t a = get_args(env, info);
  PATH(path, 0);
  PATH(name, 1);
  return result_of(env, lremovexattr(path, name));
}

static FUNCTION(shim_exchange) {
  args_t a = get_args(env, info);
  PATH(one, 0);
  PATH(other, 1);
  if (a.failed) return NULL;
  return result_of(env, syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other,
                                RENAME_EXCHANGE));
}

/* Fields of struct stat as doubles; order in shim.d.ts. */
static FUNCTION(shim_stat_at) {
  args_t a = get_args(env, info);
  int directory = (int)get_number(&a, 0);
  PATH(path, 1);
  size_t length;
  double *out = get_bytes(&a, 2, &length);
  if (a.failed) return NULL;
  if (length < 16 * sizeof(double)) return number(env, -EINVAL);
  struct stat s;
  if (fstatat(directory, path, &s, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
    return number(env, -errno);
  out[0] = s.st_mode;
  out[1] = s.st_uid;
  out[2] = s.st_gid;
  out[3] = (double)s.st_size;
  out[4] = (double)s.st_blocks;
  out[5] = (double)s.st_mtim.tv_sec;
  out[6] = (double)s.st_mtim.tv_nsec;
  out[7] = (double)s.st_ctim.tv_sec;
  out[8] = (double)s.st_ctim.tv_nsec;
  out[9] = (double)s.st_dev;
  out[10] = (double)(s.st_ino >> 32);
  out[11] = (double)(s.st_ino & 0xffffffff);
  out[12] = (double)s.st_nlink;
  out[13] = major(s.st_rdev);
  out[14] = minor(s.st_rdev);
  out[15] = 0;
  return number(env, 0);
}

/* madvise(MADV_DONTNEED): clean pages of a file come back when touched. */
static FUNCTION(shim_drop_pages) {
  args_t a = get_args(env, info);
  uintptr_t address = (uintptr_t)get_number(&a, 0);
  size_t length = (size_t)get_number(&a, 1);
  if (a.failed) return NULL;
  return result_of(env, madvise((void *)address, length, MADV_DONTNEED));
}

static FUNCTION(shim_set_mtime) {
  args_t a = get_args(env, info);
  PATH(path, 0);
  struct timespec times[2] = {
      {.tv_sec = 0, .tv_nsec = UTIME_OMIT},
      {.tv_sec = (time_t)get_number(&a, 1), .tv_nsec = (long)get_number(&a, 2)}};
  if (a.failed) return NULL;
  return result_of(env, utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

static FUNCTION(shim_mknod) {
  args_t a = get_args(env, info);
  PATH(path, 0);
  mode_t mode = (mode_t)get_number(&a, 1);
  unsigned dev_major = (unsigned)get_number(&a, 2);
  unsigned dev_minor = (unsigned)get_number(&a, 3);
  if (a.failed) return NULL;
  return result_of(env, mknod(path, mode, makedev(dev_major, dev_minor)));
}

static void ignore(int signal) { (void)signal; }

/*
 * SIGCONT to this process, again and again: the kernel delivers it to one that
 * is stopped as well. With a handler, for the timer of an ignored signal stops.
 */
static FUNCTION(shim_continue_every) {
  args_t a = get_args(env, info);
  long ms = (long)get_number(&a, 0);
  if (a.failed) return NULL;
  struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                           .sigev_signo = SIGCONT};
  struct timespec interval = {.tv_sec = ms / 1000,
                              .tv_nsec = ms % 1000 * 1000000};
  struct itimerspec when = {.it_interval = interval, .it_value = interval};
  timer_t timer;
  if (sigaction(SIGCONT, &action, NULL) < 0 ||
      timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
    return number(env, -errno);
  return result_of(env, timer_settime(timer, 0, &when, NULL));
}

/* Ends the process at once, also while another thread sleeps in the kernel. */
static FUNCTION(shim_exit) {
  args_t a = get_args(env, info);
  int code = (int)get_number(&a, 0);
  if (a.failed) return NULL;
  _exit(code);
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"mount", shim_mount},           {"umount", shim_umount},
      {"eventfd", shim_eventfd},       {"socketpair", shim_socketpair},
      {"receiveFd", shim_receive_fd},  {"fuseReceive", shim_fuse_receive},
      {"writeParts", shim_write_parts}, {"flock", shim_flock},
      {"lseek", shim_lseek},           {"prefetch", shim_prefetch},
      {"getXattr", shim_get_xattr},    {"dropPages", shim_drop_pages},
      {"listXattr", shim_list_xattr},  {"lsetxattr", shim_lsetxattr},
      {"lremovexattr", shim_lremovexattr}, {"statAt", shim_stat_at},
      {"getdents", shim_getdents},      {"setMtime", shim_set_mtime},    {"mknod", shim_mknod},
      {"setNonBlocking", shim_set_non_blocking}, {"exit", shim_exit},
      {"sendDatagram", shim_send_datagram}, {"memfd", shim_memfd},
      {"mapShared", shim_map_shared}, {"unshare", shim_unshare},
      {"continueEvery", shim_continue_every}, {"openat2", shim_openat2},
      {"namespaceOwner", shim_namespace_owner},
      {"detachedMount", shim_detached_mount},
      {"exchange", shim_exchange},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH,
                             functions[i].function, NULL, &function) != napi_ok ||
        napi_set_named_property(env, exports, functions[i].name, function) !=
            napi_ok)
      return NULL;
  }
  return exports;
}
