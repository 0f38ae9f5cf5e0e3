/**
 * The control thread of a server: a socket for questions, the watch on the
 * repository, and the messages to the kernel.
 *
 * It never touches the mount itself: the thread that serves could not answer
 * and give it what it asks for.
 */

import {
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from '../system/files.ts'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { errnoOf } from '../errors.ts'
import { sendInvalidation } from '../fuse/notify.ts'
import type { Invalidation } from '../fuse/notify.ts'
import { outcomesOf, outstandingIn } from '../fuse/tally.ts'
import { waitingRequests } from '../fuse/waiting.ts'
import { HeldDirectory } from '../system/held-path.ts'
import { findMount } from '../system/mount-table.ts'
import { shim } from '../system/native.ts'
import { releaseProgramPages } from '../system/program-pages.ts'
import { controlAddress } from './control-socket.ts'
import { HEAL_LOOK_MS, Healing } from './healing.ts'
import { KeeperLink } from './keeper-link.ts'
import { startKeeper } from './keeper.ts'
import { EndOfUse } from './end-of-use.ts'
import { commitsInUse } from './mount-users.ts'
import { eventLogOf } from './news.ts'
import { Pulse } from './pulse.ts'
import {
  CONTROL_SOCKET,
  GATE,
  GATE_ENDING,
  GATE_OPEN,
} from './server-config.ts'
import type {
  ControlMessage,
  ServerConfig,
  ServerStatistics,
} from './server-config.ts'
import { RepositoryWatch } from './repository-watch.ts'
import { writeState } from './server-state.ts'
import type { Settled } from './service.ts'
import { ServingThread } from './serving-thread.ts'
import { viewState } from './shared-state.ts'

/** Descriptors are -1 where the transport has none. */
export interface ControlSetup {
  readonly config: ServerConfig
  /** The repository's directory, which the server holds open. */
  readonly repository: { readonly fd: number; readonly path: string }
  readonly fd: number
  readonly wakeFd: number
  readonly stateFd: number
  readonly keeperSocket: number
  readonly keeperPid: number
  readonly settled: Settled
  readonly port: MessagePort
  /** Words that the two threads share (`GATE`). */
  readonly gate: Int32Array
  /** See `ControlProgram`. */
  readonly first: unknown
}

/**
 * Another program for the thread: it does what `first` in its worker data says
 * and goes on with this module.
 */
export interface ControlProgram {
  readonly module: URL
  readonly first: unknown
}

const UNUSED_CHECK_MS = 10_000

const { config, fd, wakeFd, stateFd, settled, port, gate } =
  workerData as ControlSetup
const EXIT_BUG = 70

// This thread cannot be replaced alone, and its parent sleeps in the kernel:
// the keeper starts another server.
process.on('uncaughtException', error => {
  writeSync(2, `dendro: control thread: ${error.stack ?? error.message}\n`)
  shim().exit(EXIT_BUG)
})

const repository = HeldDirectory.of(
  (workerData as ControlSetup).repository.fd,
  (workerData as ControlSetup).repository.path,
)
const state = stateFd < 0 ? undefined : viewState(stateFd)
const sendAll = (invalidations: readonly Invalidation[]): void => {
  if (fd < 0) return
  for (const invalidation of invalidations) sendInvalidation(fd, invalidation)
}

/** Answers that went astray since the last resend. */
let stray = 0

const serving = new ServingThread(port, gate, wakeFd, message => {
  switch (message.type) {
    case 'invalidate':
      sendAll(message.invalidations)
      return
    case 'paused':
      link?.say('paused')
      return
    case 'stray':
      stray++
      eventLog.append('answer-refused', { request: message.request })
  }
})

const refresh = (): void => {
  serving.post({ type: 'refresh' })
}

const statistics = async (): Promise<ServerStatistics> => {
  const reply = await serving.ask('stats', id => ({ type: 'stats', id }))
  return {
    pid: process.pid,
    keeperPid: link?.pid ?? 0,
    mountpoint: config.mountpoint,
    repository: repositoryWatch.path(),
    transport: config.transport,
    xattrs: settled.xattrs,
    acls: settled.posixAcl && fd >= 0,
    nodes: reply.nodes,
    storedFiles: reply.storedFiles,
    rssBytes: process.memoryUsage.rss(),
    requests: reply.requests,
    outcomes: reply.outcomes,
    failures: reply.failures,
  }
}

/** What the next server is told, of which this one is started again. */
const currentConfig = (): ServerConfig => ({
  ...config,
  repository: repositoryWatch.path(),
})

const endOfUse = new EndOfUse(config, () => link?.pid ?? 0)

const LET_GO_MS = 500
const LET_GO_STEP_MS = 25

/**
 * Which of `commits` (hex) somebody uses. The others cannot be entered any
 * more, and the kernel has let go of them: their objects may go.
 */
const condemn = async (
  commits: readonly string[],
): Promise<{ inUse: readonly string[] }> => {
  const own = findMount(config.mountpoint)
  const used = own === undefined ? commits : commitsInUse(own.device, commits)
  const rest = commits.filter(hex => !used.includes(hex))
  const question = (id: number): ControlMessage => ({
    type: 'condemn',
    id,
    commits: rest,
  })
  const deadline = Date.now() + LET_GO_MS
  let known: readonly string[]
  for (let round = 0; ; round++) {
    const reply = await serving.ask('condemned', question)
    known = reply.inUse
    if (known.length === 0 || Date.now() > deadline) break
    const hexes = new Set(known)
    if (round === 0)
      sendAll(
        reply.invalidations.filter(
          told => told.kind === 'entry' && hexes.has(told.name),
        ),
      )
    await sleep(LET_GO_STEP_MS)
  }
  serving.post({ type: 'pardon', commits: known })
  return { inUse: [...used, ...known] }
}

/** Another server takes over; resolves only when it does not. */
const reload = (node: string, program: string): Promise<unknown> => {
  if (link === undefined)
    return Promise.resolve({
      error: 'this mount has no keeper that could start another server',
    })
  if (afterReload !== undefined)
    return Promise.resolve({ error: 'another reload is under way' })
  return new Promise(resolve => {
    afterReload = resolve
    link?.say(`reload ${node}\t${program}`)
  })
}

let afterReload: ((outcome: unknown) => void) | undefined

const answer = async (line: string): Promise<unknown> => {
  const [verb, ...words] = line.trim().split('\t')
  switch (verb) {
    case 'ping':
      return { ok: true }
    case 'stats':
      return statistics()
    case 'reads':
      return (await serving.ask('reads', id => ({ type: 'reads', id }))).objects
    case 'release':
      return { ended: endOfUse.endIfUnused(true) }
    case 'refresh':
      refresh()
      return { ok: true }
    case 'in-use':
      return condemn(words)
    case 'reload':
      return reload(words[0] ?? '', words[1] ?? '')
    default:
      return { error: 'unknown question' }
  }
}

/** What the keeper says, line by line. */
const onKeeper = (line: string): void => {
  if (line === 'ping') pulse?.check(() => link?.say('pong'))
  else if (line === 'pause') {
    isPaused = true
    serving.post({ type: 'pause' })
  } else if (line === 'exit') {
    afterReload?.({ ok: true })
    // Long enough for the answer to leave; the serving thread sleeps for ever.
    setTimeout(() => shim().exit(0), EXIT_DELAY_MS)
  } else if (line.startsWith('resume ')) {
    afterReload?.({ error: line.slice('resume '.length) })
    afterReload = undefined
    goOn()
    // The other server may have taken the path of the socket.
    listen()
  }
}

const EXIT_DELAY_MS = 50
/** The start, with what it compiles, is over by then. */
const STARTED_MS = 1000

/** Whether the serving thread was told to sleep. */
let isPaused = false

const goOn = (): void => {
  if (!isPaused) return
  isPaused = false
  Atomics.store(gate, GATE.state, GATE_OPEN)
  Atomics.notify(gate, GATE.state)
}

const TURN_MS = 1000

/** The keeper died while it handed the mount over: who serves now? */
const settleTurn = async (): Promise<void> => {
  await sleep(TURN_MS)
  if (state?.serverPid() !== process.pid) shim().exit(0)
  afterReload?.({ error: 'the keeper died' })
  afterReload = undefined
  goOn()
}

/** A keeper that died is replaced: each of the two watches over the other. */
const onKeeperGone = (): void => {
  if (Atomics.load(gate, GATE.state) === GATE_ENDING) return
  if (isPaused) {
    void settleTurn().then(onKeeperGone)
    return
  }
  try {
    const kept = { fuse: fd, state: stateFd }
    const keeper = startKeeper(config, kept, eventLog)
    Atomics.store(gate, GATE.keeperSocket, keeper.socket)
    link = new KeeperLink(keeper, onKeeper, onKeeperGone)
    writeState(currentConfig(), { pid: process.pid, keeperPid: keeper.pid })
    eventLog.append('keeper-restarted', { pid: keeper.pid })
  } catch (error) {
    writeSync(2, `dendro: cannot start a keeper: ${String(error)}\n`)
    setTimeout(onKeeperGone, KEEPER_RETRY_MS)
  }
}

const KEEPER_RETRY_MS = 1000

const eventLog = eventLogOf(repository, config)
const repositoryWatch = new RepositoryWatch(
  repository,
  config.repository,
  (from, to) => {
    eventLog.append('repository-moved', { from, to })
    // The next server is started on a path that leads somewhere.
    if (!repository.isAt(to)) return
    const keeperPid = link?.pid ?? 0
    writeState({ ...config, repository: to }, { pid: process.pid, keeperPid })
  },
)
const { keeperSocket, keeperPid } = workerData as ControlSetup
let link =
  keeperSocket < 0
    ? undefined
    : new KeeperLink(
        { pid: keeperPid, socket: keeperSocket },
        onKeeper,
        onKeeperGone,
      )

/** What the kernel transport counts, for those who watch over the serving thread. */
const watched =
  state === undefined
    ? undefined
    : {
        received: () => outcomesOf(state.counters).received,
        isInHand: state.isInHand,
      }

const pulse =
  watched &&
  new Pulse({
    ...watched,
    ask: () => serving.ask('pong', id => ({ type: 'ping', id })),
  })

/** Heals until the mount ends. */
const heal = (counted: NonNullable<typeof watched>): void => {
  const { device } = findMount(config.mountpoint) ?? {}
  const healing = new Healing({
    ...counted,
    waiting: () =>
      waitingRequests(device) ??
      stray + (state === undefined ? 0 : outstandingIn(state.counters)),
    resend: async () => {
      stray = 0
      const question = (id: number): ControlMessage => ({ type: 'resend', id })
      return (await serving.ask('resent', question)).isDone
    },
    tell: (type, details) => eventLog.append(type, details),
    now: () => performance.now(),
  })
  setInterval(() => {
    const isEnding = Atomics.load(gate, GATE.state) === GATE_ENDING
    if (!isPaused && !isEnding) void healing.look()
  }, HEAL_LOOK_MS)
}

const MAX_QUESTION_BYTES = 16 * 1024 * 1024

let listener: Server | undefined

const listen = (): void => {
  if (Atomics.load(gate, GATE.state) === GATE_ENDING) return
  const path = join(config.runtimeDirectory, CONTROL_SOCKET)
  rmSync(path, { force: true })
  listener?.close()
  listener = createServer(socket => {
    let text = ''
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy())
    socket.on('data', (data: string) => {
      text += data
      if (text.length > MAX_QUESTION_BYTES) socket.destroy()
      if (!text.includes('\n')) return
      void answer(text).then(reply => socket.end(`${JSON.stringify(reply)}\n`))
    })
  }).listen(controlAddress(config.runtimeDirectory))
}

/** The kernel's readahead window is small by default and only root may raise it. */
const raiseReadAhead = (): void => {
  const own = findMount(config.mountpoint)
  if (own === undefined || !config.isPrivileged) return
  const path = `/sys/class/bdi/${own.device}/read_ahead_kb`
  try {
    if (readdirSync('/sys/class/bdi').includes(own.device))
      writeFileSync(path, String(config.readAheadKib))
  } catch (error) {
    writeSync(2, `dendro: cannot set ${path}: ${errnoOf(error)}\n`)
  }
}

listen()
raiseReadAhead()
repositoryWatch.start(refresh)
// What was published while the server started.
refresh()
setTimeout(releaseProgramPages, STARTED_MS)
if (watched !== undefined) heal(watched)
if (config.endsWhenUnused)
  setInterval(() => endOfUse.endIfUnused(), UNUSED_CHECK_MS)
