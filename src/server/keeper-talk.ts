/**
 * What a server and its keepers say to each other as long as the server lives:
 * pings, hand-overs to another server, and a new keeper for one that died.
 * The lines: system/protocol.ts, docs/server-protocol.md
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { KEEPER_SAYS, SERVER_SAYS } from '../system/protocol.ts'
import { writeNote } from '../system/standard-streams.ts'
import { KeeperLink } from './keeper-link.ts'
import type { Keeper } from './keeper.ts'

/** Long enough for an answer to leave; the serving thread sleeps for ever. */
const EXIT_DELAY_MS = 50
/** A keeper that died while it handed over: by then it shows who serves. */
const TURN_MS = 1000
const RETRY_MS = 1000

export interface KeeperTalkPorts {
  /** Starts a keeper in the place of one that died. May throw. */
  readonly startKeeper: () => Keeper
  /** A keeper was started: it is the one from now on. */
  readonly onKeeper: (keeper: Keeper) => void
  /** Whether the mount ends, so that nobody is to watch over it any more. */
  readonly isEnding: () => boolean
  /** Whether it is still this process that is to serve. */
  readonly isOurTurn: () => boolean
  /** Calls `alive` once the serving thread serves; else never. */
  readonly checkPulse: (alive: () => void) => void
  /** Has the serving thread stop between two requests. */
  readonly pause: () => void
  /** Has the serving thread go on. */
  readonly goOn: () => void
  /** The other server did not take over; it may have taken the socket. */
  readonly onTakenBack: () => void
  /** Ends the process. */
  readonly exit: (code: number) => void
}

export interface ReloadOutcome {
  readonly ok?: true
  /** Why this server goes on. */
  readonly error?: string
}

export class KeeperTalk {
  readonly #ports: KeeperTalkPorts
  #link: KeeperLink
  /** Whether the serving thread was told to sleep. */
  #isPaused = false
  /** Told how the hand-over that was asked for went. */
  #afterReload: ((outcome: ReloadOutcome) => void) | undefined

  constructor(keeper: Keeper, ports: KeeperTalkPorts) {
    this.#ports = ports
    this.#link = this.#linkTo(keeper)
  }

  /** The keeper's process. */
  get pid(): number {
    return this.#link.pid
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** The serving thread has stopped. */
  sayPaused(): void {
    this.#link.say(SERVER_SAYS.paused)
  }

  /**
   * Another server, of the program at `program`, takes over; resolves only when
   * it does not, or just before this process ends.
   */
  reload(node: string, program: string): Promise<ReloadOutcome> {
    if (this.#afterReload !== undefined)
      return Promise.resolve({ error: 'another reload is under way' })
    return new Promise(resolve => {
      this.#afterReload = resolve
      this.#link.say(`${SERVER_SAYS.reload} ${node}\t${program}`)
    })
  }

  #linkTo(keeper: Keeper): KeeperLink {
    return new KeeperLink(
      keeper,
      line => this.#onLine(line),
      () => this.#onGone(),
    )
  }

  #onLine(line: string): void {
    const { checkPulse, pause, exit, onTakenBack } = this.#ports
    if (line === KEEPER_SAYS.ping)
      checkPulse(() => this.#link.say(SERVER_SAYS.pong))
    else if (line === KEEPER_SAYS.pause) {
      this.#isPaused = true
      pause()
    } else if (line === KEEPER_SAYS.exit) {
      this.#afterReload?.({ ok: true })
      setTimeout(() => exit(0), EXIT_DELAY_MS)
    } else if (line.startsWith(`${KEEPER_SAYS.resume} `)) {
      this.#settleReload(line.slice(KEEPER_SAYS.resume.length + 1))
      onTakenBack()
    }
  }

  /** This server goes on. */
  #settleReload(error: string): void {
    this.#afterReload?.({ error })
    this.#afterReload = undefined
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#ports.goOn()
  }

  /** A keeper that died is replaced: each of the two watches over the other. */
  #onGone(): void {
    const { isEnding, startKeeper, onKeeper } = this.#ports
    if (isEnding()) return
    if (this.#isPaused) {
      void this.#settleTurn().then(() => this.#onGone())
      return
    }
    try {
      const keeper = startKeeper()
      this.#link = this.#linkTo(keeper)
      onKeeper(keeper)
    } catch (error) {
      writeNote(`dendro: cannot start a keeper: ${String(error)}\n`)
      setTimeout(() => this.#onGone(), RETRY_MS)
    }
  }

  /** The keeper died while it handed the mount over: who serves now? */
  async #settleTurn(): Promise<void> {
    await sleep(TURN_MS)
    if (!this.#ports.isOurTurn()) this.#ports.exit(0)
    this.#settleReload('the keeper died')
  }
}
