/**
 * What both transports serve: the view of a repository, and the word with the
 * control thread.
 */

import { writeSync } from '../system/files.ts'
import { join } from 'node:path'
import {
  MessageChannel,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads'
import { latin1ToDisplay } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import { opcodeName } from '../fuse/opcodes.ts'
import { ACL_PREFIX } from '../objects/acl-xattr.ts'
import { ENOSYS } from '../system/errno.ts'
import type { Invalidation } from '../fuse/notify.ts'
import { countsByOpcode, makeCounters, outcomesOf } from '../fuse/tally.ts'
import { digestFromHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { EventLog } from '../store/event-log.ts'
import { isSameRepository } from '../store/identity.ts'
import { Repository } from '../store/repository.ts'
import { hasSpareProcessor } from '../system/processors.ts'
import { siblingModule } from '../system/sibling-module.ts'
import { requirePath } from '../tree/lookup.ts'
import { MIB } from '../units.ts'
import { Ahead } from '../view/ahead.ts'
import type { ControlProgram, ControlSetup } from './control-setup.ts'
import { failures, toErrno } from './errno.ts'
import { eventLogOf, tellDamage } from './news.ts'
import { ReadLog } from './read-log.ts'
import { GATE, GATE_ENDING, isForMachine } from './server-config.ts'
import type {
  ControlMessage,
  ServerConfig,
  ServerMessage,
} from './server-config.ts'
import { writeState } from './server-state.ts'
import type { SharedState } from './shared-state.ts'
import { View } from '../view/view.ts'
import type { ViewOptions } from '../view/view.ts'
import { fileJournal } from '../view/virtual-journal.ts'
import { PROCESS_NAME, RUNTIME_FILE, SERVER_SAYS } from '../system/protocol.ts'

/** Frames that the serving thread decoded; the ring of ahead.ts comes on top. */
const FRAME_CACHE_BYTES = 3 * MIB
/**
 * The same without a ring. The boot of a machine decoded 797 frames with 3 MiB,
 * 555 with 12 MiB and 491 with 24 MiB; 453 were different ones.
 */
const LONE_FRAME_CACHE_BYTES = 12 * MIB
/** The view keeps directories in a form of its own. */
const TREE_CACHE_BYTES = 1 * MIB

/** Names of the xattrs in any commit: they decide what the kernel may ask. */
const xattrNamesOf = (repository: Repository): Set<string> => {
  const names = new Set<string>()
  for (const { summary } of repository.commits.readable())
    for (const name of summary.xattrNames) names.add(name)
  return names
}

const viewOptions = (
  repository: Repository,
  root: ServerConfig['root'],
): ViewOptions => {
  if (root === undefined) return {}
  const commit = digestFromHex(root.commit)
  if (commit === undefined)
    throw new DendroError('INVALID_ARGUMENT', `bad commit id ${root.commit}`)
  const loaded = repository.commits.load(commit)
  const object = requirePath(repository, loaded.root, root.subdir)
  if (object.kind !== 'directory')
    throw new DendroError(
      'NOT_A_DIRECTORY',
      `cannot mount ${latin1ToDisplay(root.subdir)}: it is not a directory`,
    )
  return { root: { commit, object } }
}

/** What INIT settles for as long as the connection lives. */
export interface Settled {
  /** Whether xattrs are answered at all. */
  readonly xattrs: boolean
  /** Whether the kernel enforces ACLs. */
  readonly posixAcl: boolean
}

/** What a new connection is to settle, by what the commits have by now. */
const settle = (
  repository: Repository,
  wish: ServerConfig['xattrs'],
): Settled => {
  if (wish !== 'auto') return { xattrs: wish === 'on', posixAcl: wish === 'on' }
  const names = [...xattrNamesOf(repository)]
  const posixAcl = names.some(name => name.startsWith(ACL_PREFIX))
  return { xattrs: names.length > 0, posixAcl }
}

/** What a server serves with, besides its configuration. */
export interface Served {
  /** The shared state, where the transport has one. */
  readonly state?: SharedState
  /** Requests are counted in the shared state where these are left out. */
  readonly counters?: Float64Array
  /** What INIT settled for the server that served before. */
  readonly settled?: Settled
}

/** Under the same name there may be another repository by now. */
const requireSame = (
  repository: Repository,
  { identity }: ServerConfig,
): void => {
  if (identity === undefined || isSameRepository(repository.identity, identity))
    return
  throw new DendroError(
    'MOUNT_FAILED',
    `cannot serve ${repository.paths.root}: another repository stands there than the one that was mounted`,
    { hint: 'move the old one back, or unmount it with --lazy' },
  )
}

export class Service {
  readonly view: View
  /** Where its news go. */
  readonly events: EventLog
  readonly settled: Settled
  /** Set by the control thread's word: another server is to take over. */
  isPausing = false
  /** Has the kernel send again what is not answered; 0 or -errno. */
  onResend: () => number = () => -ENOSYS
  readonly #config: ServerConfig
  readonly #state: SharedState | undefined
  readonly #counters: Float64Array
  readonly #repository: Repository
  readonly #ahead: Ahead | undefined
  readonly #reads: ReadLog | undefined
  readonly #ports = new MessageChannel()
  /** Words that the two threads share. */
  readonly #gate = new Int32Array(new SharedArrayBuffer(GATE.words * 4))

  constructor(config: ServerConfig, served: Served) {
    const { state } = served
    this.#counters = served.counters ?? state?.counters ?? makeCounters()
    process.title = `${PROCESS_NAME.server} ${config.mountpoint}`
    // Nothing of the caller's directory is held, and none is looked into.
    process.chdir('/')
    const ahead = state !== undefined && config.ahead ? new Ahead() : undefined
    this.#ahead = ahead
    // A machine's root: what its boot reads may be asked for.
    const reads = isForMachine(config) ? new ReadLog() : undefined
    const note =
      reads === undefined ? undefined : (read: Digest) => reads.note(read)
    this.#reads = reads
    const repository = Repository.open(config.repository, {
      onRead: note,
      frameCacheBytes:
        ahead === undefined ? LONE_FRAME_CACHE_BYTES : FRAME_CACHE_BYTES,
      treeCacheBytes: TREE_CACHE_BYTES,
      reusesBuffers: true,
      ...(ahead === undefined ? {} : { ring: ahead.ring }),
    })
    requireSame(repository, config)
    this.#config = config
    this.#state = state
    this.#repository = repository
    this.events = eventLogOf(repository.paths.directory, config)
    tellDamage(repository, this.events)
    const journal = join(config.runtimeDirectory, RUNTIME_FILE.viewNodes)
    this.settled = served.settled ?? settle(repository, config.xattrs)
    this.view = new View(repository, {
      ...viewOptions(repository, config.root),
      presentation: {
        // libfuse 2 does not enforce them.
        enforcesAcls: this.settled.posixAcl && state !== undefined,
        inode32: config.inode32 === true,
      },
      ahead,
      onStored: note,
      prepares: hasSpareProcessor(),
      ...(state === undefined
        ? {}
        : { rows: state.rows, journal: fileJournal(journal) }),
    })
  }

  /** Leaves word of the server in its runtime directory. */
  writeState(keeperPid: number): void {
    writeState(this.#config, { pid: process.pid, keeperPid })
  }

  /** The descriptors are -1 for a transport that has none. */
  startControl(
    descriptors: Pick<
      ControlSetup,
      'fd' | 'wakeFd' | 'stateFd' | 'keeperSocket' | 'keeperPid'
    >,
    program?: ControlProgram,
  ): void {
    const port = this.#ports.port2
    Atomics.store(this.#gate, GATE.keeperSocket, descriptors.keeperSocket)
    const { fd, path } = this.#repository.paths.directory
    const setup: ControlSetup = {
      ...descriptors,
      repository: { fd, path },
      config: this.#config,
      settled: this.settled,
      port,
      gate: this.#gate,
      first: program?.first,
    }
    new Worker(program?.module ?? siblingModule(import.meta.url, 'control'), {
      workerData: setup,
      transferList: [port],
      stdout: false,
      stderr: false,
      // It ends with the process, and closes what it did not open.
      trackUnmanagedFds: false,
    })
  }

  /** Starts what is done ahead, on the mounted connection `fd`. */
  startAhead(fd: number, wakeFd: number): void {
    this.#ahead?.start(this.#repository.paths.directory, fd, wakeFd)
  }

  /** How long to spin: not at all while the other thread needs the core. */
  spinMicros(): number {
    return this.#ahead?.isAwake === true ? 0 : this.#config.spinMicros
  }

  /** Whether the control thread asks for something, or what it asked is to be done. */
  get isCalled(): boolean {
    return this.isPausing || Atomics.load(this.#gate, GATE.isCalled) === 1
  }

  /** Tells of an answer that the kernel did not take, though it should. */
  tellStray(opcode: number): void {
    const request = opcodeName(opcode)
    this.#send({ type: 'stray', request })
  }

  /** Answers what the control thread asked, without an event loop. */
  answerWaiting(): boolean {
    Atomics.store(this.#gate, GATE.isCalled, 0)
    for (;;) {
      const received = receiveMessageOnPort(this.#ports.port1) as
        { message: ControlMessage } | undefined
      // What is stored ahead may wait for a request that we have to answer.
      if (received === undefined)
        return this.isPausing && this.#ahead?.isBusy !== true
      this.#answer(received.message)
    }
  }

  /** Answers the control thread from the event loop. */
  answerAlways(): void {
    this.#ports.port1.on('message', (message: ControlMessage) =>
      this.#answer(message),
    )
  }

  /** The mount is gone: what ends now is not to be started again. */
  end(): void {
    Atomics.store(this.#gate, GATE.state, GATE_ENDING)
    try {
      writeSync(
        Atomics.load(this.#gate, GATE.keeperSocket),
        `${SERVER_SAYS.bye}\n`,
      )
    } catch {
      // It died just now; another one sees that the connection is gone.
    }
  }

  /** Sleeps until the control thread says to go on (it may end us instead). */
  waitPaused(): void {
    this.#send({ type: 'paused' })
    Atomics.wait(this.#gate, GATE.state, 0)
    Atomics.store(this.#gate, GATE.state, 0)
    this.isPausing = false
    this.#ahead?.resume()
    if (this.#state !== undefined) this.view.restore()
  }

  /** A repository that cannot be read now is looked at again at the next news. */
  #refresh(): Invalidation[] {
    try {
      return this.view.refresh()
    } catch (error) {
      toErrno(error)
      return []
    }
  }

  #send(message: ServerMessage): void {
    this.#ports.port1.postMessage(message)
  }

  #requestCounts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const [opcode, count] of countsByOpcode(this.#counters))
      counts[opcodeName(opcode)] = count
    return counts
  }

  #answer(message: ControlMessage): void {
    const { view } = this
    switch (message.type) {
      case 'refresh':
        this.#send({ type: 'invalidate', invalidations: this.#refresh() })
        return
      case 'pause':
        this.isPausing = true
        this.#ahead?.cancel()
        return
      case 'condemn':
        this.#send({
          type: 'condemned',
          id: message.id,
          inUse: view.condemn(message.commits),
          invalidations: view.letGo(message.commits),
        })
        return
      case 'pardon':
        view.pardon(message.commits)
        return
      case 'reads':
        this.#send({
          type: 'reads',
          id: message.id,
          objects: this.#reads?.list() ?? [],
        })
        return
      case 'ping':
        this.#send({ type: 'pong', id: message.id })
        return
      case 'resend':
        this.#send({
          type: 'resent',
          id: message.id,
          isDone: this.onResend() === 0,
        })
        return
      case 'stats':
        this.#send({
          type: 'stats',
          id: message.id,
          requests: this.#requestCounts(),
          outcomes: outcomesOf(this.#counters),
          nodes: view.nodes,
          storedFiles: this.#ahead?.storedFiles ?? 0,
          failures: Object.fromEntries(failures),
        })
    }
  }
}
