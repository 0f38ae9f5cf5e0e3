/**
 * What the programs of a mount and of a boot have in common: lines that they
 * say to each other, descriptors they leave each other, places in shared
 * memory, paths and variables.
 *
 * They are written in three languages. This file has the names; C has them in
 * native-shim/protocol.h, and sh (scripts/dendro, scripts/shipped/) writes them
 * out. protocol.test.ts reads those files, runs the scripts, and fails on any
 * difference. docs/server-protocol.md says what each is for, and which
 * of them other versions rely on; docs/decisions/checked-protocol.md why nothing
 * is generated.
 */

/** Paths from the directory of the package, which the scripts start. */
export const PACKAGE = {
  main: 'dist/bundle/main.cjs',
  server: 'dist/bundle/server-main.cjs',
  launcher: 'dist/bundle/launcher.sh',
  serverFlags: 'scripts/shipped/server-flags',
  detach: 'native-shim/dendro-detach',
} as const

/**
 * Names of processes. systemd-shutdown lets live what begins with an @ (systemd,
 * ROOT_STORAGE_DAEMONS), and a server is known by it.
 */
export const PROCESS_NAME = {
  server: '@dendro',
  keeper: '@dendro-keeper',
} as const

/** The variable by which a launcher says that it waits for a line. */
export const LAUNCHED = { name: 'DENDRO_DETACH', value: '1' } as const

/** The descriptor for that line, which says how the start went (start-outcome.ts). */
export const READY_FD = 3

/** First words of that line. */
export const OUTCOME_WORD = {
  ready: 'ready',
  bind: 'bind',
  failed: 'failed',
  exit: 'exit',
} as const

/** All that a server has in its environment: what is set for it ... */
export const SERVER_ENVIRONMENT = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  // mallopt(3): few threads allocate, and an arena each costs memory.
  MALLOC_ARENA_MAX: '1',
} as const

/** ... and what it keeps of its caller's. */
export const KEPT_VARIABLES = [
  'XDG_RUNTIME_DIR',
  'NOTIFY_SOCKET',
  'NODE_V8_COVERAGE',
] as const

/** What a server is started for, as its first argument; else it is its configuration. */
export const ORDER = { resume: 'resume', adopt: 'adopt' } as const

/** Descriptors of a keeper. */
export const KEEPER_FD = { fuse: 3, state: 4, socket: 5, events: 6 } as const

/** Those of a server that a keeper started; an adopting one says "ready" on the last. */
export const KEPT = { fuse: 3, state: 4, socket: 5 } as const

/** Lines of a keeper to a server; `resume` is followed by the reason. */
export const KEEPER_SAYS = {
  ping: 'ping',
  pause: 'pause',
  serve: 'serve',
  resume: 'resume',
  exit: 'exit',
} as const

/** Lines of a server to its keeper; `reload` is followed by NODE, a tab, PROGRAM. */
export const SERVER_SAYS = {
  pong: 'pong',
  standby: 'standby',
  paused: 'paused',
  serving: 'serving',
  bye: 'bye',
  reload: 'reload',
} as const

/**
 * Places in the shared state (server/shared-state.ts), in bytes. A request in
 * hand is received at `request`, one that is served between two steps of it at
 * `between`: its length is the first word, its unique the third and fourth.
 */
export const STATE = {
  version: 3,
  counters: 64,
  request: 4096,
  between: 135_168,
  rows: 266_240,
} as const

/** What the control socket is asked, words parted by tabs; the answer is JSON. */
export const QUESTION = {
  ping: 'ping',
  stats: 'stats',
  reads: 'reads',
  release: 'release',
  refresh: 'refresh',
  /** With commits (hex). */
  inUse: 'in-use',
  /** With NODE and PROGRAM. */
  reload: 'reload',
} as const

/** Where the runtime directories of root's servers are (system/run-directory.ts). */
export const SHARED_BASE = '/run/dendro'

/** Names in the runtime directory of a server. */
export const RUNTIME_FILE = {
  /** Where the view is mounted first. */
  view: 'view',
  controlSocket: 'control.sock',
  /** The configuration that the next server is started with. */
  serverState: 'server.json',
  serverLog: 'server.log',
  /** Locked by whoever mounts. */
  lock: 'lock',
  /** Locked (shared) by whoever is about to bind out of the view. */
  viewHold: 'hold',
  /** Events of a server whose repository cannot be written to. */
  events: 'events',
  /** The nodes of the view's own names, for the next server. */
  viewNodes: 'view-nodes',
} as const

/** dendro-enter: what it is to enter, and where it says that it has. */
export const ENTER = {
  root: 'root',
  join: 'join',
  enteredFd: 3,
  /** Exit statuses when the command has none, as shells have them. */
  notTried: 125,
  cannotRun: 126,
  notThere: 127,
  bySignal: 128,
} as const

/** What the initramfs leaves to the machine (scripts/shipped/initramfs/dendro-lib). */
export const BOOT = {
  directory: '/run/initramfs/dendro',
  /** In that directory. */
  store: 'store',
  jail: 'jail',
  state: 'boot-state',
  /** First words of the lines of `state`. */
  booted: 'booted',
  wanted: 'wanted',
  why: 'why',
  /** In the jail: the store, and where the root is put together. */
  storeInJail: '/store',
  rootInJail: '/run/root',
  nodeInJail: '/bin/node',
} as const

/** Words of the kernel command line. */
export const KERNEL_ARGUMENT = {
  deployment: 'dendro',
  store: 'dendro.store',
  tries: 'dendro.tries',
} as const

/** Paths below the store's directory `dendro`, the sysroot, that the initramfs reads. */
export const SYSROOT_FILE = {
  deployments: 'boot/deployments',
  runtimes: 'runtime',
  tries: 'tries',
} as const
