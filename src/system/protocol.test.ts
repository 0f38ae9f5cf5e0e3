import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { REQUEST_BYTES } from '../fuse/session.ts'
import { cleanEnvironment } from '../server/server-config.ts'
import { serverFlags } from '../server/server-flags.ts'
import { encodeOutcome } from '../server/start-outcome.ts'
import type { StartOutcome } from '../server/start-outcome.ts'
import { readBootState } from '../sysroot/boot-state.ts'
import { sysrootPaths } from '../sysroot/sysroot.ts'
import { packageRoot } from './native.ts'
import {
  BOOT,
  ENTER,
  KEEPER_FD,
  KEEPER_SAYS,
  KEPT,
  KERNEL_ARGUMENT,
  LAUNCHED,
  ORDER,
  PACKAGE,
  PROCESS_NAME,
  READY_FD,
  RUNTIME_FILE,
  SERVER_ENVIRONMENT,
  SERVER_SAYS,
  SHARED_BASE,
  STATE,
  SYSROOT_FILE,
} from './protocol.ts'

const root = packageRoot()
const INITRAMFS = 'scripts/shipped/initramfs'
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8')

t.test('C has the same names for the same things', async t => {
  const defined: Record<string, string | number> = {}
  const header = textOf('native-shim/protocol.h')
  for (const [, name, value] of header.matchAll(/^#define (\w+) (.+)$/gm))
    defined[name as string] = JSON.parse(value as string) as string | number
  t.same(defined, {
    SERVER_NAME: PROCESS_NAME.server,
    KEEPER_FUSE_FD: KEEPER_FD.fuse,
    KEEPER_STATE_FD: KEEPER_FD.state,
    KEEPER_SOCKET_FD: KEEPER_FD.socket,
    KEEPER_EVENTS_FD: KEEPER_FD.events,
    SERVER_FUSE_FD: KEPT.fuse,
    SERVER_STATE_FD: KEPT.state,
    SERVER_SOCKET_FD: KEPT.socket,
    ORDER_RESUME: ORDER.resume,
    SAY_PING: KEEPER_SAYS.ping,
    SAY_PAUSE: KEEPER_SAYS.pause,
    SAY_SERVE: KEEPER_SAYS.serve,
    SAY_RESUME: KEEPER_SAYS.resume,
    SAY_EXIT: KEEPER_SAYS.exit,
    SAID_PONG: SERVER_SAYS.pong,
    SAID_STANDBY: SERVER_SAYS.standby,
    SAID_PAUSED: SERVER_SAYS.paused,
    SAID_SERVING: SERVER_SAYS.serving,
    SAID_BYE: SERVER_SAYS.bye,
    SAID_RELOAD: SERVER_SAYS.reload,
    STATE_REQUEST_AT: STATE.request,
    STATE_BETWEEN_AT: STATE.between,
    ENTER_ROOT: ENTER.root,
    ENTER_JOIN: ENTER.join,
    ENTERED_FD: ENTER.enteredFd,
    STATUS_NOT_TRIED: ENTER.notTried,
    STATUS_CANNOT_RUN: ENTER.cannotRun,
    STATUS_NOT_THERE: ENTER.notThere,
    STATUS_BY_SIGNAL: ENTER.bySignal,
  })
})

t.test(
  'the programs in C use the header, and no words of their own',
  async t => {
    for (const program of ['keeper', 'enter', 'detach']) {
      const text = textOf(`native-shim/${program}.c`).replace(
        /\/\*.*?\*\//gs,
        '',
      )
      t.ok(text.includes('#include "protocol.h"'), program)
      const words = [
        ...Object.values(KEEPER_SAYS),
        ...Object.values(SERVER_SAYS),
        ...Object.values(ORDER),
        PROCESS_NAME.server,
        ENTER.join,
      ]
      for (const word of words) {
        const isWritten = new RegExp(`"${word}[" ]`).test(text)
        t.notOk(isWritten, `${program}.c: "${word}"`)
      }
    }
  },
)

t.test('requests in hand fit between their places', async t => {
  t.equal(STATE.between - STATE.request, REQUEST_BYTES)
  t.equal(STATE.rows - STATE.between, REQUEST_BYTES)
})

t.test(
  'the start of another version is known by these numbers and names',
  async t => {
    // A server, its keeper and its clients may be of different versions: whoever
    // changes one of these says how the others are met.
    t.same(
      {
        KEEPER_FD,
        KEPT,
        STATE,
        ORDER,
        PROCESS_NAME,
        RUNTIME_FILE,
        SHARED_BASE,
      },
      {
        KEEPER_FD: { fuse: 3, state: 4, socket: 5, events: 6 },
        KEPT: { fuse: 3, state: 4, socket: 5 },
        STATE: {
          version: 3,
          counters: 64,
          request: 4096,
          between: 135168,
          rows: 266240,
        },
        ORDER: { resume: 'resume', adopt: 'adopt' },
        PROCESS_NAME: { server: '@dendro', keeper: '@dendro-keeper' },
        RUNTIME_FILE: {
          view: 'view',
          controlSocket: 'control.sock',
          serverState: 'server.json',
          serverLog: 'server.log',
          lock: 'lock',
          viewHold: 'hold',
          events: 'events',
          viewNodes: 'view-nodes',
        },
        SHARED_BASE: '/run/dendro',
      },
    )
  },
)

/** What follows each call of `word` in a script. */
const wordsBehind = (text: string, word: string): string[] =>
  [...text.matchAll(new RegExp(`\\b${word} ([^\\s;")]+)`, 'g'))].map(
    ([, found]) => found as string,
  )

const program = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
}

/** A package whose Node writes down how it was started and says a line. */
const makePackage = (base: string) => {
  for (const path of [
    'scripts/dendro',
    PACKAGE.launcher,
    PACKAGE.serverFlags,
    PACKAGE.detach,
  ]) {
    mkdirSync(dirname(join(base, path)), { recursive: true })
    copyFileSync(join(root, path), join(base, path))
  }
  for (const path of ['scripts/dendro', PACKAGE.detach])
    chmodSync(join(base, path), 0o755)
  mkdirSync(dirname(join(base, PACKAGE.main)), { recursive: true })
  writeFileSync(join(base, PACKAGE.main), '')
  program(
    join(base, 'bin/node'),
    `cat /proc/$$/environ >'${base}/environment'
     printf '%s\\n' "$@" >'${base}/arguments'
     cat '${base}/line' >&${READY_FD}`,
  )
  program(
    join(base, 'tools/mount'),
    `printf '%s\\n' "$LC_ALL" "$@" >'${base}/bound'`,
  )
  writeFileSync(join(base, 'bound'), '')
  return (line: string, variables: NodeJS.ProcessEnv = {}) => {
    writeFileSync(join(base, 'line'), line)
    return spawnSync('sh', [join(base, 'scripts/dendro'), 'mount', 'r', '/m'], {
      encoding: 'utf8',
      env: { PATH: `${base}/tools:${process.env['PATH']}`, ...variables },
    })
  }
}

t.test('the launcher starts a server as the protocol says', async t => {
  const base = t.testdir()
  const run = makePackage(base)
  const kept = { XDG_RUNTIME_DIR: '/run/me', NOTIFY_SOCKET: '' }
  const { status, stderr } = run('ready\n', { ...kept, SECRET: '1', LANG: 'C' })
  t.equal(status, 0, stderr)
  const given = readFileSync(join(base, 'environment'), 'utf8')
    .split('\0')
    .filter(variable => variable !== '')
    .map(variable => variable.split('='))
  t.same(Object.fromEntries(given), {
    [LAUNCHED.name]: LAUNCHED.value,
    ...SERVER_ENVIRONMENT,
    ...kept,
  })
  t.same(readFileSync(join(base, 'arguments'), 'utf8').trim().split('\n'), [
    ...serverFlags(),
    join(base, PACKAGE.main),
    ...['mount', 'r', '/m'],
  ])
})

t.test('a server of a server has the same environment', async t => {
  const before = { ...process.env }
  t.teardown(() => {
    process.env = before
  })
  process.env = { NODE_V8_COVERAGE: '/c', HOME: '/root', LANG: 'C' }
  t.same(cleanEnvironment(), { ...SERVER_ENVIRONMENT, NODE_V8_COVERAGE: '/c' })
})

t.test('the launcher understands how a start went', async t => {
  const base = t.testdir()
  const run = makePackage(base)
  const says = (outcome: StartOutcome) => {
    const { status, stderr } = run(`${encodeOutcome(outcome)}\n`)
    return { status, stderr }
  }
  t.same(says({ kind: 'ready' }), { status: 0, stderr: '' })
  t.same(says({ kind: 'exit', status: 3 }), { status: 3, stderr: '' })
  const failed = {
    kind: 'failed',
    code: 'IO_ERROR',
    message: 'cannot mount at /m: the disk (sda) is gone',
  } as const
  t.same(says(failed), { status: 1, stderr: `dendro: ${failed.message}\n` })
  t.same(says({ ...failed, hint: 'look at it' }), {
    status: 1,
    stderr: `dendro: ${failed.message} (look at it)\n`,
  })
  t.equal(readFileSync(join(base, 'bound'), 'utf8'), '', 'nothing was bound')
  const target = '/with spaces  and\nnewline\n'
  const options = 'ro,nosuid'
  t.same(says({ kind: 'bind', options, source: '/v/commits/1', target }), {
    status: 0,
    stderr: '',
  })
  t.equal(
    readFileSync(join(base, 'bound'), 'utf8'),
    `C\n--bind\n-o\n${options}\n--\n/v/commits/1\n${target}\n`,
  )
  t.match(run(''), {
    status: 1,
    stderr:
      'dendro: cannot mount: the server ended at once (try --foreground)\n',
  })
  t.match(run('something else\n'), {
    status: 1,
    stderr: 'dendro: cannot mount: something else\n',
  })
})

/** Runs dendro_try of the initramfs, with all that it would do to a machine left out. */
const BOOT_SCRIPT = `
. "$1"
printf '%s\\n' "$dendro_dir" "$dendro_store" "$dendro_jail" >"$2/paths"
dendro_dir=$2
dendro_store=$2/store
dendro_jail=$2/jail
dendro_make_jail() { :; }
dendro_drop_jail() { :; }
dendro_check_init() { :; }
dendro_note() { :; }
dendro_say() { :; }
mount() { printf '%s\\n' "$@" >"$dendro_dir/moved"; }
setsid() {
  printf '%s\\n' "$@" >"$dendro_dir/arguments"
  printf '%s' "$${LAUNCHED.name} $MALLOC_ARENA_MAX" >"$dendro_dir/environment"
  cat "$dendro_dir/stderr" >&2
  cat "$dendro_dir/line" >&${READY_FD}
}
dendro_try debian/abc.1 "$2/root"
status=$?
dendro_write_state debian/abc.1 debian/def.2
exit "$status"`

const makeMachine = (base: string) => {
  const at = (...words: string[]): string => join(base, ...words)
  mkdirSync(at('jail', BOOT.rootInJail, 'usr'), { recursive: true })
  mkdirSync(at('jail/scripts/shipped'), { recursive: true })
  copyFileSync(join(root, PACKAGE.serverFlags), at('jail', PACKAGE.serverFlags))
  const list = at('store/dendro', SYSROOT_FILE.deployments)
  mkdirSync(dirname(list), { recursive: true })
  writeFileSync(list, 'debian/abc.1 0123\n')
  writeFileSync(at('stderr'), '')
  return (line: string) => {
    writeFileSync(at('line'), line)
    const library = join(root, INITRAMFS, 'dendro-lib')
    const { status } = spawnSync('sh', ['-c', BOOT_SCRIPT, 'sh', library, base])
    return { status, why: readBootState(at(BOOT.state))?.why }
  }
}

t.test('the initramfs starts a server as the protocol says', async t => {
  const base = t.testdir()
  const boot = makeMachine(base)
  t.same(boot('ready\n'), { status: 0, why: [] })
  const linesOf = (name: string): string[] =>
    readFileSync(join(base, name), 'utf8').trim().split('\n')
  t.same(linesOf('paths'), [
    BOOT.directory,
    join(BOOT.directory, BOOT.store),
    join(BOOT.directory, BOOT.jail),
  ])
  t.same(linesOf('arguments'), [
    ...['chroot', join(base, 'jail'), BOOT.nodeInJail],
    ...serverFlags(),
    `/${PACKAGE.main}`,
    ...['--sysroot', BOOT.storeInJail],
    ...['boot-root', 'debian/abc.1', BOOT.rootInJail],
  ])
  t.same(linesOf('environment'), [
    `${LAUNCHED.value} ${SERVER_ENVIRONMENT.MALLOC_ARENA_MAX}`,
  ])
  t.match(readBootState(join(base, BOOT.state)), {
    booted: 'debian/abc.1',
    wanted: 'debian/def.2',
  })
})

t.test('the initramfs understands how a start went', async t => {
  const base = t.testdir()
  const boot = makeMachine(base)
  const failed = {
    kind: 'failed',
    code: 'MISSING_OBJECT',
    message: 'cannot read: gone',
  } as const
  const why = (line: string) => boot(line).why
  t.same(why(`${encodeOutcome(failed)}\n`), ['debian/abc.1: cannot read: gone'])
  t.same(why(`${encodeOutcome({ ...failed, hint: 'run fsck' })}\n`), [
    'debian/abc.1: cannot read: gone (run fsck)',
  ])
  // Runtimes of older versions.
  t.same(why('cannot read: gone (run fsck)\n'), [
    'debian/abc.1: cannot read: gone (run fsck)',
  ])
  t.same(boot('exit 0\n'), { status: 0, why: [] })
  writeFileSync(join(base, 'stderr'), 'dendro: no such deployment\n')
  t.same(why('exit 1\n'), ['debian/abc.1: no such deployment'])
  t.same(why(''), ['debian/abc.1: no such deployment'])
})

t.test(
  'the initramfs and the units look where the machine has things',
  async t => {
    const scripts = readdirSync(join(root, INITRAMFS))
      .map(name => textOf(join(INITRAMFS, name)))
      .join('\n')
    t.same(
      new Set(
        [
          ...wordsBehind(scripts, 'dendro_argument'),
          ...wordsBehind(scripts, 'getarg').map(word => word.replace(/=$/, '')),
        ].filter(word => word.startsWith('dendro')),
      ),
      new Set(Object.values(KERNEL_ARGUMENT)),
    )
    const below = [...scripts.matchAll(/\$dendro_store\/dendro\/([a-z]+)/g)]
    t.same(
      new Set(below.map(([, name]) => name)),
      new Set(Object.values(SYSROOT_FILE).map(path => path.split('/')[0])),
    )
    const paths = sysrootPaths(t.testdir())
    const dendro = join(paths.root, 'dendro')
    t.equal(join(dendro, dirname(SYSROOT_FILE.deployments)), paths.boot)
    t.equal(join(dendro, SYSROOT_FILE.runtimes), paths.runtimes)
    t.equal(join(dendro, SYSROOT_FILE.tries), paths.tries)
    t.match(
      textOf('scripts/shipped/systemd/dendro-boot-complete.service'),
      `ConditionPathExists=${BOOT.directory}/${BOOT.state}\n`,
    )
    t.match(
      scripts,
      `ln -s "\${dendro_jail#/run/}${SHARED_BASE}" ${SHARED_BASE}\n`,
    )
  },
)
