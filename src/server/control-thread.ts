/**
 * The control thread of a server: a socket for questions, the watch on the
 * repository, the word with the keeper, and the messages to the kernel.
 *
 * It never touches the mount itself: the thread that serves could not answer
 * and give it what it asks for.
 */

import type { Invalidation } from '../fuse/notify.ts'
import { outcomesOf, outstandingIn } from '../fuse/tally.ts'
import { waitingRequests } from '../fuse/waiting.ts'
import type { EventLog } from '../store/event-log.ts'
import type { HeldDirectory } from '../system/held-path.ts'
import { findMount } from '../system/mount-table.ts'
import { releaseProgramPages } from '../system/program-pages.ts'
import { ControlListener } from './control-listener.ts'
import type { ControlSetup } from './control-setup.ts'
import { EndOfUse } from './end-of-use.ts'
import { HEAL_LOOK_MS, Healing } from './healing.ts'
import { setKernelReadAhead } from './kernel-read-ahead.ts'
import { KeeperTalk } from './keeper-talk.ts'
import type { Keeper } from './keeper.ts'
import { letGoOf } from './let-go.ts'
import { commitsInUse } from './mount-users.ts'
import { Pulse } from './pulse.ts'
import { RepositoryWatch } from './repository-watch.ts'
import { GATE, GATE_ENDING, GATE_OPEN } from './server-config.ts'
import type { ServerStatistics } from './server-config.ts'
import { writeState } from './server-state.ts'
import { ServingThread } from './serving-thread.ts'
import type { StateView } from './shared-state.ts'
import { QUESTION } from '../system/protocol.ts'

const UNUSED_CHECK_MS = 10_000
/** The start, with what it compiles, is over by then. */
const STARTED_MS = 1000

/** What the thread reaches beyond its process. */
export interface ControlPorts {
  /** The repository's directory, held open. */
  readonly repository: HeldDirectory
  readonly events: EventLog
  /** The shared state; undefined for a transport without one. */
  readonly state: StateView | undefined
  /** Tells the kernel; nothing where the transport has no descriptor. */
  readonly sendAll: (invalidations: readonly Invalidation[]) => void
  /** Starts a keeper for this process. */
  readonly startKeeper: () => Keeper
  /** Ends the process at once. */
  readonly exit: (code: number) => void
}

/** What the kernel transport counts, for those who watch over the serving thread. */
interface Counted {
  readonly received: () => number
  readonly isInHand: () => boolean
}

const countedIn = (state: StateView): Counted => ({
  received: () => outcomesOf(state.counters).received,
  isInHand: state.isInHand,
})

export class ControlThread {
  readonly #setup: ControlSetup
  readonly #ports: ControlPorts
  readonly #serving: ServingThread
  readonly #repository: RepositoryWatch
  readonly #listener: ControlListener
  readonly #endOfUse: EndOfUse
  /** Undefined for a transport without a keeper. */
  readonly #keeper: KeeperTalk | undefined
  readonly #pulse: Pulse | undefined
  readonly #timers: NodeJS.Timeout[] = []
  /** Answers that went astray since the last resend. */
  #stray = 0

  constructor(setup: ControlSetup, ports: ControlPorts) {
    const { config, port, gate, wakeFd } = setup
    this.#setup = setup
    this.#ports = ports
    this.#serving = new ServingThread(port, gate, wakeFd, message => {
      switch (message.type) {
        case 'invalidate':
          ports.sendAll(message.invalidations)
          return
        case 'paused':
          this.#keeper?.sayPaused()
          return
        case 'stray':
          this.#stray++
          ports.events.append('answer-refused', { request: message.request })
      }
    })
    this.#repository = new RepositoryWatch(
      ports.repository,
      config.repository,
      (from, to) => this.#onMoved(from, to),
    )
    this.#listener = new ControlListener(config.runtimeDirectory, question =>
      this.answer(question),
    )
    this.#endOfUse = new EndOfUse(config, () => this.#keeper?.pid ?? 0)
    this.#pulse =
      ports.state &&
      new Pulse({
        ...countedIn(ports.state),
        ask: () => this.#serving.ask('pong', id => ({ type: 'ping', id })),
      })
    this.#keeper = this.#makeKeeperTalk()
  }

  start(): void {
    const { config } = this.#setup
    this.#listen()
    const own = findMount(config.mountpoint)
    if (own !== undefined && config.isPrivileged)
      setKernelReadAhead(own.device, config.readAheadKib)
    this.#repository.start(() => this.#refresh())
    // What was published while the server started.
    this.#refresh()
    this.#timers.push(setTimeout(releaseProgramPages, STARTED_MS))
    if (this.#ports.state !== undefined) this.#heal(this.#ports.state)
    if (config.endsWhenUnused)
      this.#timers.push(
        setInterval(() => this.#endOfUse.endIfUnused(), UNUSED_CHECK_MS),
      )
  }

  /** Stops what `start` began; the end of the process needs no such thing. */
  stop(): void {
    this.#listener.close()
    this.#repository.stop()
    for (const timer of this.#timers) clearInterval(timer)
    this.#setup.port.close()
  }

  /** The answer to a line from the control socket, its words parted by tabs. */
  async answer(question: string): Promise<unknown> {
    const serving = this.#serving
    const [verb, ...words] = question.trim().split('\t')
    switch (verb) {
      case QUESTION.ping:
        return { ok: true }
      case QUESTION.stats:
        return this.#statistics()
      case QUESTION.reads:
        return (await serving.ask('reads', id => ({ type: 'reads', id })))
          .objects
      case QUESTION.release:
        return { ended: this.#endOfUse.endIfUnused(true) }
      case QUESTION.refresh:
        this.#refresh()
        return { ok: true }
      case QUESTION.inUse:
        return letGoOf(words, {
          serving,
          sendAll: this.#ports.sendAll,
          usedByProcesses: commits => this.#usedByProcesses(commits),
        })
      case QUESTION.reload:
        return (
          this.#keeper?.reload(words[0] ?? '', words[1] ?? '') ?? {
            error: 'this mount has no keeper that could start another server',
          }
        )
      default:
        return { error: 'unknown question' }
    }
  }

  #refresh(): void {
    this.#serving.post({ type: 'refresh' })
  }

  #listen(): void {
    if (!this.#isEnding()) this.#listener.listen()
  }

  #isEnding(): boolean {
    return Atomics.load(this.#setup.gate, GATE.state) === GATE_ENDING
  }

  #usedByProcesses(commits: readonly string[]): readonly string[] {
    const own = findMount(this.#setup.config.mountpoint)
    return own === undefined ? commits : commitsInUse(own.device, commits)
  }

  async #statistics(): Promise<ServerStatistics> {
    const { config, settled, fd } = this.#setup
    const reply = await this.#serving.ask('stats', id => ({
      type: 'stats',
      id,
    }))
    return {
      pid: process.pid,
      keeperPid: this.#keeper?.pid ?? 0,
      mountpoint: config.mountpoint,
      repository: this.#repository.path(),
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

  #onMoved(from: string, to: string): void {
    this.#ports.events.append('repository-moved', { from, to })
    // The next server is started on a path that leads somewhere.
    if (!this.#ports.repository.isAt(to)) return
    this.#writeState(to, this.#keeper?.pid ?? 0)
  }

  /** What the next server is told, of which this one is started again. */
  #writeState(repository: string, keeperPid: number): void {
    writeState(
      { ...this.#setup.config, repository },
      { pid: process.pid, keeperPid },
    )
  }

  #makeKeeperTalk(): KeeperTalk | undefined {
    const { keeperSocket, keeperPid, gate } = this.#setup
    if (keeperSocket < 0) return undefined
    const { state, startKeeper, exit } = this.#ports
    const keeper = { pid: keeperPid, socket: keeperSocket }
    return new KeeperTalk(keeper, {
      startKeeper,
      onKeeper: keeper => this.#onKeeper(keeper),
      isEnding: () => this.#isEnding(),
      isOurTurn: () => state?.serverPid() === process.pid,
      checkPulse: alive => this.#pulse?.check(alive),
      pause: () => this.#serving.post({ type: 'pause' }),
      goOn: () => {
        Atomics.store(gate, GATE.state, GATE_OPEN)
        Atomics.notify(gate, GATE.state)
      },
      onTakenBack: () => this.#listen(),
      exit,
    })
  }

  #onKeeper(keeper: Keeper): void {
    Atomics.store(this.#setup.gate, GATE.keeperSocket, keeper.socket)
    this.#writeState(this.#repository.path(), keeper.pid)
    this.#ports.events.append('keeper-restarted', { pid: keeper.pid })
  }

  /** Looks after requests that nobody answers, until the mount ends. */
  #heal(state: StateView): void {
    const { device } = findMount(this.#setup.config.mountpoint) ?? {}
    const healing = new Healing({
      ...countedIn(state),
      waiting: () =>
        waitingRequests(device) ?? this.#stray + outstandingIn(state.counters),
      resend: async () => {
        this.#stray = 0
        const reply = await this.#serving.ask('resent', id => ({
          type: 'resend',
          id,
        }))
        return reply.isDone
      },
      tell: (type, details) => this.#ports.events.append(type, details),
      now: () => performance.now(),
    })
    const look = (): void => {
      if (this.#keeper?.isPaused !== true && !this.#isEnding())
        void healing.look()
    }
    this.#timers.push(setInterval(look, HEAL_LOOK_MS))
  }
}
