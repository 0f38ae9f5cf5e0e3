/*
 * The keeper: holds /dev/fuse and the shared state of a mount, watches the
 * server and starts another when it dies or hangs.
 *
 *   dendro-keeper DIRECTORY PID WATCHDOG_MS NODE PROGRAM [FLAG...]
 *
 * Inherited: 3 /dev/fuse, 4 the shared state, 5 a stream socket to the server
 * PID, 6 a file that events are appended to, 1 and 2 the log.
 *
 * It never unmounts and never gives up: a mount without a server waits, a
 * mount without a keeper's descriptors is gone. It ends when the server says
 * "bye" or the connection is gone.
 *
 * Lines on the socket (protocol.h, docs/server-protocol.md):
 *   keeper to server  ping | pause | serve | resume WHY | exit
 *   server to keeper  pong | standby | paused | serving | bye |
 *                     reload NODE<tab>PROGRAM
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

enum {
  LINE_BYTES = 8192,
  /*
   * Requests are received in two places of the shared state, length, then
   * unique: what is in hand, and what is served between two steps of it.
   */
  HANDS = 2,
  STATE_BYTES = STATE_BETWEEN_AT + 4096,
  STANDBY_MS = 60000,
  PAUSE_MS = 10000,
  BACKOFF_FIRST_MS = 100,
  BACKOFF_MAX_MS = 5000,
  STEADY_MS = 30000,
  BUSY_FACTOR = 6,
  /* How often a server is looked at whose descriptor may stay silent. */
  LOOK_MS = 1000,
  /* Deaths in a row that are called a loop. */
  LOOP_DEATHS = 5,
  MAX_FLAGS = 16,
};

typedef struct {
  pid_t pid;
  int pidfd;
  int sock;
  bool is_child;
  char line[LINE_BYTES];
  size_t filled;
  int64_t started;
  /* A ping waits for its pong since then; 0 when none does. */
  int64_t pinged;
  int64_t last_pong;
} server_t;

typedef enum { IDLE, STARTING, PAUSING, HANDING_OVER } phase_t;

static const char *directory;
static int64_t watchdog_ms;
static char node[4096], program[4096];
/* What Node is told (src/server/server-flags.ts); ends with NULL. */
static char **flags;
static char previous_node[4096], previous_program[4096];
static const volatile unsigned char *state;
/* `current` serves, `next` will. A server that died leaves current.pid 0. */
static server_t current, next;
/* Servers that were told or made to end, until they have. */
enum { MAX_LEAVING = 8, LEAVE_MS = 5000 };
static server_t leaving[MAX_LEAVING];
static phase_t phase = IDLE;
static int64_t phase_deadline, restart_at;
static unsigned deaths;
static bool connection_gone;

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void log_line(const char *text, long number) {
  dprintf(2, "dendro: keeper: %s %ld\n", text, number);
}

/* One JSON line, appended at once. `detail` holds no character to escape. */
static void event(const char *type, const char *detail, long number) {
  struct timespec t;
  struct tm tm;
  char when[32];
  clock_gettime(CLOCK_REALTIME, &t);
  gmtime_r(&t.tv_sec, &tm);
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
  dprintf(KEEPER_EVENTS_FD,
          "{\"time\":\"%s.%03ldZ\",\"type\":\"%s\",\"%s\":%ld,\"deaths\":%u}\n",
          when, t.tv_nsec / 1000000, type, detail, number, deaths);
}

static int pidfd_of(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static void kill_server(server_t *server) {
  if (server->pidfd >= 0)
    syscall(SYS_pidfd_send_signal, server->pidfd, SIGKILL, NULL, 0);
}

static void say(server_t *server, const char *text) {
  char line[256];
  int length = snprintf(line, sizeof line, "%s\n", text);
  if (server->pid != 0 && send(server->sock, line, (size_t)length,
                               MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
      errno != EPIPE && errno != ECONNRESET)
    log_line("cannot speak to the server: errno", errno);
}

static void clear(server_t *server) {
  if (server->pidfd >= 0) close(server->pidfd);
  if (server->sock >= 0) close(server->sock);
  *server = (server_t){.pidfd = -1, .sock = -1};
}

/* Lets a server end by itself, and ends it when it does not. */
static void retire(server_t *server, int64_t patience_ms) {
  for (int i = 0; i < MAX_LEAVING; i++) {
    if (leaving[i].pid != 0) continue;
    leaving[i] = *server;
    leaving[i].started = now_ms() + patience_ms;
    *server = (server_t){.pidfd = -1, .sock = -1};
    return;
  }
  kill_server(server);
  clear(server);
}

/*
 * Forgets a server that is dead: the signal or status, -1 when not known. One
 * whose threads have not all ended yet is left to be reaped.
 */
static long bury(server_t *server) {
  int status = 0;
  pid_t got = server->is_child ? waitpid(server->pid, &status, WNOHANG) : -1;
  if (got == 0) {
    retire(server, LEAVE_MS);
    return -1;
  }
  clear(server);
  if (got < 0) return -1;
  return WIFSIGNALED(status) ? STATUS_BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/*
 * Whether the server's main thread has ended. Its descriptor tells when the
 * last thread has, and one may sleep in the kernel on a page that only a
 * server can fill: the next one.
 */
static bool is_headless(const server_t *server) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)server->pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, line, sizeof line - 1);
  close(fd);
  if (length <= 0) return false;
  line[length] = 0;
  /* proc(5): "PID (NAME) STATE ...", and the name may hold anything. */
  const char *end = strrchr(line, ')');
  return end != NULL && end[1] == ' ' && (end[2] == 'Z' || end[2] == 'X');
}

static void reap(int64_t now) {
  for (int i = 0; i < MAX_LEAVING; i++) {
    server_t *server = &leaving[i];
    if (server->pid == 0) continue;
    struct pollfd ended = {.fd = server->pidfd, .events = POLLIN};
    if (poll(&ended, 1, 0) > 0) {
      bury(server);
    } else if (now > server->started) {
      kill_server(server);
      server->started = now + LEAVE_MS;
    }
  }
}

static bool is_anyone_leaving(void) {
  for (int i = 0; i < MAX_LEAVING; i++)
    if (leaving[i].pid != 0) return true;
  return false;
}

static bool start(server_t *server, const char *with_node,
                  const char *with_program) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
    log_line("cannot make a socket pair: errno", errno);
    return false;
  }
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    /* The device and the state are under the numbers they have here. */
    _Static_assert(SERVER_FUSE_FD == KEEPER_FUSE_FD &&
                       SERVER_STATE_FD == KEEPER_STATE_FD,
                   "inherited as they are");
    if (dup2(pair[1], SERVER_SOCKET_FD) < 0) _exit(STATUS_CANNOT_RUN);
    fcntl(KEEPER_FUSE_FD, F_SETFD, 0);
    fcntl(KEEPER_STATE_FD, F_SETFD, 0);
    char *argv[MAX_FLAGS + 5];
    int argc = 0;
    argv[argc++] = SERVER_NAME;
    for (char **flag = flags; *flag != NULL; flag++) argv[argc++] = *flag;
    argv[argc++] = (char *)with_program;
    argv[argc++] = ORDER_RESUME;
    argv[argc++] = (char *)directory;
    argv[argc] = NULL;
    execv(with_node, argv);
    _exit(STATUS_NOT_THERE);
  }
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    log_line("cannot fork: errno", errno);
    return false;
  }
  *server = (server_t){.pid = pid,
                       .pidfd = pidfd_of(pid),
                       .sock = pair[0],
                       .is_child = true,
                       .started = now_ms()};
  server->last_pong = server->started;
  if (server->pidfd >= 0) fcntl(server->pidfd, F_SETFD, FD_CLOEXEC);
  return true;
}

static void plan_restart(void) {
  int64_t delay = 0;
  if (deaths > 2) {
    unsigned shift = deaths - 3 < 7 ? deaths - 3 : 7;
    delay = (int64_t)BACKOFF_FIRST_MS << shift;
    if (delay > BACKOFF_MAX_MS) delay = BACKOFF_MAX_MS;
  }
  restart_at = now_ms() + delay;
}

static void begin_restart(void) {
  restart_at = 0;
  if (start(&next, node, program)) {
    phase = STARTING;
    phase_deadline = now_ms() + STANDBY_MS;
  } else {
    deaths++;
    plan_restart();
  }
}

static void count_death(server_t *server, const char *type, long status) {
  if (now_ms() - server->started > STEADY_MS) deaths = 0;
  deaths++;
  event(type, "status", status);
  log_line(type, status);
  if (deaths == LOOP_DEATHS) event("server-death-loop", "status", status);
}

static void on_current_death(void) {
  int64_t lived = now_ms() - current.started;
  server_t dead = current;
  count_death(&dead, "server-died", bury(&current));
  /* A program that was just handed over and dies at once is taken back. */
  if (previous_program[0] != 0 && lived < STEADY_MS) {
    strcpy(node, previous_node);
    strcpy(program, previous_program);
    event("reload-taken-back", "lived_ms", (long)lived);
  }
  previous_program[0] = 0;
  if (phase == IDLE) {
    plan_restart();
  } else if (phase == PAUSING) {
    /* What would have been handed over is simply taken over. */
    phase = HANDING_OVER;
    phase_deadline = now_ms() + PAUSE_MS;
    say(&next, SAY_SERVE);
  }
}

static void give_up_next(const char *why) {
  char line[128];
  phase_t was = phase;
  kill_server(&next);
  retire(&next, 0);
  phase = IDLE;
  if (current.pid == 0) {
    deaths++;
    event("server-did-not-start", "phase", was);
    plan_restart();
    return;
  }
  snprintf(line, sizeof line, SAY_RESUME " %s", why);
  say(&current, line);
  current.pinged = 0;
  current.last_pong = now_ms();
  event("reload-failed", "phase", was);
}

static void finish_hand_over(void) {
  bool was_reload = current.pid != 0;
  if (was_reload) {
    say(&current, SAY_EXIT);
    retire(&current, LEAVE_MS);
  }
  current = next;
  next = (server_t){.pidfd = -1, .sock = -1};
  phase = IDLE;
  event(was_reload ? "server-reloaded" : "server-restarted", "pid",
        current.pid);
}

static void on_reload(char *text) {
  char *tab = strchr(text, '\t');
  if (tab == NULL || phase != IDLE) {
    say(&current, SAY_RESUME " another start is under way");
    return;
  }
  *tab = 0;
  if (strlen(text) >= sizeof node || strlen(tab + 1) >= sizeof program ||
      !start(&next, text, tab + 1)) {
    say(&current, SAY_RESUME " the new server cannot be started");
    return;
  }
  strcpy(previous_node, node);
  strcpy(previous_program, program);
  strcpy(node, text);
  strcpy(program, tab + 1);
  phase = STARTING;
  phase_deadline = now_ms() + STANDBY_MS;
}

static void take_back_program(void) {
  if (previous_program[0] == 0) return;
  strcpy(node, previous_node);
  strcpy(program, previous_program);
  previous_program[0] = 0;
}

static void on_line(server_t *server, char *line) {
  if (strcmp(line, SAID_PONG) == 0) {
    server->pinged = 0;
    server->last_pong = now_ms();
  } else if (strcmp(line, SAID_BYE) == 0 && server == &current) {
    exit(0);
  } else if (strncmp(line, SAID_RELOAD " ", sizeof SAID_RELOAD) == 0 && server == &current) {
    on_reload(line + sizeof SAID_RELOAD);
  } else if (strcmp(line, SAID_STANDBY) == 0 && server == &next &&
             phase == STARTING) {
    phase = current.pid != 0 ? PAUSING : HANDING_OVER;
    phase_deadline = now_ms() + PAUSE_MS;
    if (phase == PAUSING)
      say(&current, SAY_PAUSE);
    else
      say(&next, SAY_SERVE);
  } else if (strcmp(line, SAID_PAUSED) == 0 && server == &current &&
             phase == PAUSING) {
    phase = HANDING_OVER;
    phase_deadline = now_ms() + PAUSE_MS;
    say(&next, SAY_SERVE);
  } else if (strcmp(line, SAID_SERVING) == 0 && server == &next &&
             phase == HANDING_OVER) {
    finish_hand_over();
  }
}

/* Reads what a server says; false when it closed the socket. */
static bool listen_to(server_t *server) {
  ssize_t got = recv(server->sock, server->line + server->filled,
                     LINE_BYTES - server->filled, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got <= 0) return false;
  server->filled += (size_t)got;
  for (;;) {
    char *end = memchr(server->line, '\n', server->filled);
    if (end == NULL) break;
    char line[LINE_BYTES];
    size_t length = (size_t)(end - server->line);
    memcpy(line, server->line, length);
    line[length] = 0;
    server->filled -= length + 1;
    memmove(server->line, end + 1, server->filled);
    bool was_next = server == &next;
    on_line(server, line);
    /* A hand-over moved the structure. */
    if (was_next && next.pid == 0) return true;
  }
  if (server->filled == LINE_BYTES) server->filled = 0;
  return true;
}

/* A place for a request in hand: its unique, 0 without one, and since when. */
static struct {
  size_t at;
  uint64_t unique;
  int64_t since;
} hands[HANDS] = {{.at = STATE_REQUEST_AT}, {.at = STATE_BETWEEN_AT}};

/* How long the oldest request in hand has been there. */
static int64_t look_at_hands(int64_t now) {
  int64_t longest = 0;
  for (int i = 0; i < HANDS; i++) {
    uint32_t length;
    uint64_t unique;
    memcpy(&length, (const void *)(state + hands[i].at), 4);
    memcpy(&unique, (const void *)(state + hands[i].at + 8), 8);
    if (length == 0) unique = 0;
    if (unique == 0 || unique != hands[i].unique) hands[i].since = now;
    hands[i].unique = unique;
    if (now - hands[i].since > longest) longest = now - hands[i].since;
  }
  return longest;
}

static void watch(int64_t now) {
  if (watchdog_ms == 0 || current.pid == 0 || phase != IDLE) return;
  bool is_silent = current.pinged != 0 && now - current.pinged > watchdog_ms;
  bool is_stuck = look_at_hands(now) > watchdog_ms * BUSY_FACTOR;
  if (is_silent || is_stuck) {
    event(is_silent ? "server-silent" : "server-stuck", "pid", current.pid);
    kill_server(&current);
    current.pinged = 0;
    current.last_pong = now;
    for (int i = 0; i < HANDS; i++) hands[i].since = now;
  } else if (current.pinged == 0 && now - current.last_pong > watchdog_ms / 2) {
    current.pinged = now;
    say(&current, SAY_PING);
  }
}

static int64_t wait_ms(int64_t now) {
  int64_t until = now + 3600000;
  if (watchdog_ms > 0 && current.pid != 0 && phase == IDLE) {
    int64_t due = current.pinged != 0 ? current.pinged + watchdog_ms + 1
                                      : current.last_pong + watchdog_ms / 2 + 1;
    if (due < until) until = due;
  }
  if (phase != IDLE && phase_deadline < until) until = phase_deadline;
  if (restart_at != 0 && restart_at < until) until = restart_at;
  if (is_anyone_leaving() && now + 100 < until) until = now + 100;
  if (current.pid != 0 && now + LOOK_MS < until) until = now + LOOK_MS;
  return until > now ? until - now : 0;
}

int main(int argc, char **argv) {
  if (argc < 6 || argc > 6 + MAX_FLAGS) {
    dprintf(2, "usage: dendro-keeper DIRECTORY PID WATCHDOG_MS NODE PROGRAM "
               "[FLAG...]\n");
    return 2;
  }
  directory = argv[1];
  watchdog_ms = atoll(argv[3]);
  snprintf(node, sizeof node, "%s", argv[4]);
  snprintf(program, sizeof program, "%s", argv[5]);
  flags = argv + 6;
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  setsid();
  umask(022);
  if (chdir("/") < 0) return 1;
  for (int fd = KEEPER_FUSE_FD; fd <= KEEPER_EVENTS_FD; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  /* Last to be killed for memory: it is small, and everything hangs on it. */
  int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (oom >= 0) {
    if (write(oom, "-900", 4) < 0) errno = 0;
    close(oom);
  }
  state = mmap(NULL, STATE_BYTES, PROT_READ, MAP_SHARED, KEEPER_STATE_FD, 0);
  if (state == MAP_FAILED) {
    log_line("cannot map the state: errno", errno);
    return 1;
  }
  next = (server_t){.pidfd = -1, .sock = -1};
  current = (server_t){.pid = (pid_t)atol(argv[2]),
                       .pidfd = pidfd_of((pid_t)atol(argv[2])),
                       .sock = KEEPER_SOCKET_FD,
                       .started = now_ms()};
  current.last_pong = current.started;
  if (current.pidfd >= 0) fcntl(current.pidfd, F_SETFD, FD_CLOEXEC);
  for (;;) {
    int64_t now = now_ms();
    reap(now);
    if (restart_at != 0 && now >= restart_at) begin_restart();
    if (phase != IDLE && now > phase_deadline) {
      take_back_program();
      give_up_next(phase == STARTING ? "the new server does not get ready"
                   : phase == PAUSING ? "this server does not pause"
                                      : "the new server does not serve");
    }
    watch(now);
    struct pollfd fds[5] = {
        {.fd = connection_gone ? -1 : KEEPER_FUSE_FD, .events = 0},
        {.fd = current.pid != 0 ? current.pidfd : -1, .events = POLLIN},
        {.fd = current.pid != 0 ? current.sock : -1, .events = POLLIN},
        {.fd = next.pid != 0 ? next.pidfd : -1, .events = POLLIN},
        {.fd = next.pid != 0 ? next.sock : -1, .events = POLLIN}};
    if (poll(fds, 5, (int)wait_ms(now_ms())) < 0) {
      if (errno == EINTR) continue;
      return 1;
    }
    if (fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) connection_gone = true;
    /* What a server said before it died is heard first. */
    bool current_open = true, next_open = true;
    if (fds[2].revents != 0) current_open = listen_to(&current);
    if (fds[4].revents != 0 && next.pid != 0) next_open = listen_to(&next);
    if (connection_gone && (current.pid == 0 || fds[1].revents != 0)) return 0;
    if (next.pid != 0 && (fds[3].revents != 0 || !next_open)) {
      take_back_program();
      give_up_next("the new server ended");
    }
    if (current.pid != 0 && (fds[1].revents != 0 || is_headless(&current))) {
      on_current_death();
    } else if (current.pid != 0 && !current_open) {
      /* It dropped its end: nothing can be asked of it any more. */
      kill_server(&current);
      close(current.sock);
      current.sock = -1;
    }
  }
}
