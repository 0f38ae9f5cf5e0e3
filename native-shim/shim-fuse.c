/*
 * The part of the shim that speaks with /dev/fuse: a descriptor of it from
 * fusermount3, its requests, the answers. Contract: native-shim/shim.d.ts
 */
#define _GNU_SOURCE
#include "shim.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Receives one descriptor sent with SCM_RIGHTS. Blocks. */
FUNCTION(shim_receive_fd) {
  args_t a = get_args(env, info);
  int sock = (int)get_number(&a, 0);
  if (a.failed) return NULL;
  char byte;
  struct iovec iov = {.iov_base = &byte, .iov_len = 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t got;
  do got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return number(env, -errno);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (got == 0 || header == NULL || header->cmsg_type != SCM_RIGHTS)
    return number(env, -EPROTO);
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return number(env, fd);
}

FUNCTION(shim_set_non_blocking) {
  args_t a = get_args(env, info);
  int fd = (int)get_number(&a, 0);
  if (a.failed) return NULL;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return number(env, -errno);
  return result_of(env, fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Headers of <linux/fuse.h>: fuse_in_header and fuse_out_header. */
enum { IN_OPCODE_AT = 4, IN_UNIQUE_AT = 8, IN_HEADER_BYTES = 40 };

/*
 * What is refused at once: requests with this opcode whose u32 at `at`, masked,
 * is `value` get `error`; counters[opcode] and counters[counter] count them.
 */
typedef struct {
  uint32_t opcode, at, mask, value, error, counter;
} refusal_t;

/*
 * Answers a request that is refused at once; then its length is zeroed, as for
 * every request that is answered. One that the kernel does not take the answer
 * to is left to the caller.
 */
static bool refuse(int fd, unsigned char *request, ssize_t length,
                   const refusal_t *refusal) {
  uint32_t opcode, value;
  if (length < IN_HEADER_BYTES || (size_t)length < refusal->at + sizeof value)
    return false;
  memcpy(&opcode, request + IN_OPCODE_AT, 4);
  memcpy(&value, request + refusal->at, 4);
  if (opcode != refusal->opcode || (value & refusal->mask) != refusal->value)
    return false;
  struct {
    uint32_t length;
    int32_t error;
    uint64_t unique;
  } reply = {.length = 16, .error = -(int32_t)refusal->error};
  memcpy(&reply.unique, request + IN_UNIQUE_AT, 8);
  if (write(fd, &reply, sizeof reply) < 0) return false;
  memset(request, 0, 4);
  return true;
}

/*
 * One request from a non-blocking /dev/fuse: tries for `spin` microseconds,
 * then sleeps in poll. 0 means that the wake descriptor was written to.
 * With a negative `spin` it does not wait at all: -EAGAIN.
 */
FUNCTION(shim_fuse_receive) {
  args_t a = get_args(env, info);
  int fd = (int)get_number(&a, 0);
  int wake = (int)get_number(&a, 1);
  size_t length;
  void *buffer = get_bytes(&a, 2, &length);
  int64_t spin_ns = (int64_t)(get_number(&a, 3) * 1000);
  int timeout_ms = (int)get_number(&a, 4);
  size_t refusal_length;
  const refusal_t *refusal = get_bytes(&a, 5, &refusal_length);
  size_t counters_length;
  double *counters = get_bytes(&a, 6, &counters_length);
  if (a.failed) return NULL;
  size_t slots = counters_length / sizeof *counters;
  if (refusal_length < sizeof *refusal || refusal->opcode >= slots ||
      refusal->counter >= slots)
    return number(env, -EFAULT);
  int64_t until = spin_ns > 0 ? now_ns() + spin_ns : 0;
  for (;;) {
    ssize_t got = read(fd, buffer, length);
    if (got >= 0) {
      if (!refuse(fd, buffer, got, refusal)) return number(env, (double)got);
      counters[refusal->opcode]++;
      counters[refusal->counter]++;
      continue;
    }
    if (errno == EINTR || errno == ENOENT) continue;
    if (errno != EAGAIN || spin_ns < 0) return number(env, -errno);
    if (until != 0 && now_ns() < until) continue;
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN},
                            {.fd = wake, .events = POLLIN}};
    int ready = poll(fds, 2, timeout_ms);
    if (ready < 0 && errno != EINTR) return number(env, -errno);
    if (ready == 0) return number(env, -EAGAIN);
    if (fds[1].revents & POLLIN) {
      uint64_t count;
      if (read(wake, &count, sizeof count) > 0) return number(env, 0);
    }
    until = 0;
  }
}

/* writev of head[0, headLength) and of body[begin, begin + length) for each. */
FUNCTION(shim_write_parts) {
  args_t a = get_args(env, info);
  int fd = (int)get_number(&a, 0);
  struct iovec parts[1 + MAX_PARTS];
  size_t size;
  char *head = get_bytes(&a, 1, &size);
  size_t length = (size_t)get_number(&a, 2);
  if (a.failed) return NULL;
  if (length > size || a.argc > MAX_ARGS || a.argc % 3 != 0)
    return number(env, -EFAULT);
  parts[0] = (struct iovec){.iov_base = head, .iov_len = length};
  int count = 1;
  for (size_t i = 3; i < a.argc; i += 3) {
    char *body = get_bytes(&a, i, &size);
    size_t begin = (size_t)get_number(&a, i + 1);
    length = (size_t)get_number(&a, i + 2);
    if (a.failed) return NULL;
    if (begin > size || length > size - begin) return number(env, -EFAULT);
    if (length > 0)
      parts[count++] = (struct iovec){.iov_base = body + begin, .iov_len = length};
  }
  return result_of(env, writev(fd, parts, count));
}
