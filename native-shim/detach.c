/*
 * Starts a server that keeps nothing of its caller.
 *
 *   dendro-detach LAST_FD [NAME=VALUE]... PROGRAM [ARGUMENT...]
 *
 * Becomes PROGRAM (looked for in the caller's PATH) under the name "@dendro",
 * as the leader of a session of its own and so without a controlling terminal.
 * Kept: the descriptors up to LAST_FD, the variables that are named, user,
 * namespaces, cgroup and processors, and the working directory, which the
 * server leaves when it has read its arguments. All else is as at a fresh
 * start: signals, file mode mask, scheduling, no priority and OOM score worse
 * than usual and, as far as the hard limits allow, none of the limits that
 * would end a server that lives long.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol.h"

/* Linux 5.9; before that one by one. */
static void close_above(int last) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, last + 1, ~0U, 0) == 0) return;
#endif
  DIR *open_ones = opendir("/proc/self/fd");
  if (open_ones == NULL) return;
  for (struct dirent *entry; (entry = readdir(open_ones)) != NULL;) {
    int fd = atoi(entry->d_name);
    if (fd > last && fd != dirfd(open_ones)) close(fd);
  }
  closedir(open_ones);
}

static void reset_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The most that is allowed: without a limit as root, else the hard one. */
static void raise_limit(int resource) {
  const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  struct rlimit limit;
  if (setrlimit(resource, &none) == 0 || getrlimit(resource, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(resource, &limit);
}

/* What makes it wait or die for others; each is left where a user may not. */
static void reset_priority(void) {
  const struct sched_param usual = {0};
  sched_setscheduler(0, SCHED_OTHER, &usual);
  if (getpriority(PRIO_PROCESS, 0) > 0) setpriority(PRIO_PROCESS, 0, 0);
  char score[16] = "";
  int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  if (read(fd, score, sizeof score - 1) > 0 && atoi(score) > 0 &&
      pwrite(fd, "0", 1, 0) < 0)
    errno = 0;
  close(fd);
}

int main(int argc, char **argv) {
  int at = 2;
  while (at < argc && strchr(argv[at], '=') != NULL) at++;
  if (at >= argc) {
    fprintf(stderr,
            "usage: dendro-detach LAST_FD [NAME=VALUE]... PROGRAM...\n");
    return STATUS_CANNOT_RUN;
  }
  char **environment = calloc((size_t)at, sizeof *environment);
  if (environment == NULL) return STATUS_CANNOT_RUN;
  memcpy(environment, argv + 2, (size_t)(at - 2) * sizeof *environment);
  close_above(atoi(argv[1]));
  /*
   * What init starts in its own process group is a mount that autofs waits for:
   * others who look at its directory would wait too (autofs(5)). There is no
   * terminal to leave then. A leader of a group cannot begin a session; Node's
   * child did.
   */
  if (getpgrp() != getpgid(1)) setsid();
  reset_signals();
  reset_priority();
  umask(022);
  for (size_t i = 0; i < 4; i++)
    raise_limit((const int[]){RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_AS,
                              RLIMIT_DATA}[i]);
  const char *program = argv[at];
  argv[at] = SERVER_NAME;
  execvpe(program, argv + at, environment);
  int code = errno == ENOENT ? STATUS_NOT_THERE : STATUS_CANNOT_RUN;
  fprintf(stderr, "dendro: cannot start %s: %s\n", program, strerror(errno));
  return code;
}
