/*
 * Runs a command inside a root, in process, host name and mount namespaces of
 * its own, as the child of an init that reaps and passes signals on.
 *
 *   dendro-enter root ROOT HOSTNAME COMMAND [ARGUMENT...]
 *   dendro-enter join DESCRIPTOR HOSTNAME COMMAND [ARGUMENT...]
 *
 * "root": the caller has made ROOT in a mount namespace of its own, /proc in
 * it an empty directory; ROOT becomes "/" and all else is unmounted. "join":
 * "/" is that of the mount namespace that the caller holds by DESCRIPTOR, in a
 * copy of it. A byte to the socket 3 says that the process stands there. The
 * exit status is the command's, 128 + N after signal N, 127 when it is not
 * there, 126 when it cannot be run, 125 when it was not tried.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol.h"

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "dendro: cannot enter: %s: %s\n", what, strerror(errno));
  _exit(STATUS_NOT_TRIED);
}

static void join_mounts(int fd) {
  if (setns(fd, CLONE_NEWNS) != 0) fail("setns");
  close(fd);
  if (unshare(CLONE_NEWNS) != 0) fail("unshare");
}

/* The caller goes on; where nobody listens, nobody waits. */
static void tell_entered(void) {
  send(ENTERED_FD, "", 1, MSG_NOSIGNAL);
  close(ENTERED_FD);
}

static void change_root(const char *root) {
  if (chdir(root) != 0) fail(root);
  if (syscall(SYS_pivot_root, ".", ".") != 0) fail("pivot_root");
  /* The old root lies on top of the new one, under the same name. */
  if (umount2(".", MNT_DETACH) != 0) fail("unmounting the old root");
  if (chdir("/") != 0) fail("/");
}

static int status_of(int status) {
  return WIFSIGNALED(status) ? STATUS_BY_SIGNAL + WTERMSIG(status)
                             : WEXITSTATUS(status);
}

/*
 * Waits for `child`, reaping all others; signals that somebody sent are passed
 * on. Those of a terminal reach the child by themselves.
 */
static int wait_for(pid_t child, const sigset_t *all) {
  for (;;) {
    siginfo_t info;
    int signal = sigwaitinfo(all, &info);
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      if (info.si_code <= 0) kill(child, signal);
      continue;
    }
    for (;;) {
      int status;
      pid_t ended = waitpid(-1, &status, WNOHANG);
      if (ended <= 0) break;
      if (ended == child) return status_of(status);
    }
  }
}

static void run_command(char **command) {
  execvp(command[0], command);
  int code = errno == ENOENT ? STATUS_NOT_THERE : STATUS_CANNOT_RUN;
  fprintf(stderr, "dendro: cannot run %s: %s\n", command[0], strerror(errno));
  _exit(code);
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: dendro-enter root|join ROOT|DESCRIPTOR HOSTNAME COMMAND...\n");
    return STATUS_NOT_TRIED;
  }
  /* Nothing goes on running when dendro itself is killed. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool joins = strcmp(argv[1], ENTER_JOIN) == 0;
  if (joins) {
    join_mounts(atoi(argv[2]));
    tell_entered();
  }
  if (unshare(CLONE_NEWPID | CLONE_NEWUTS) != 0) fail("unshare");
  if (sethostname(argv[3], strlen(argv[3])) != 0) fail("sethostname");
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  pid_t init = fork();
  if (init < 0) fail("fork");
  if (init > 0) {
    if (!joins) close(ENTERED_FD);
    return wait_for(init, &all);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!joins) {
    change_root(argv[2]);
    tell_entered();
  }
  if (joins && chdir("/") != 0) fail("/");
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
    fail("mounting /proc");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, NULL);
    run_command(argv + 4);
  }
  return wait_for(child, &all);
}
