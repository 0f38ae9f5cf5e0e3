/**
 * The conversation with the kernel: receives a request, answers it as the table
 * of opcodes says, and knows what becomes of the answer. The order in which
 * that is done, and for how long is waited: scheduler.ts.
 *
 * Errors of the device: docs/fuse.md has the reasons.
 */

import { DendroError } from '../errors.ts'
import { check, shim } from '../system/native.ts'
import { answerRequest } from './dispatch.ts'
import { Exchange } from './exchange.ts'
import { FATAL_DEATHS, FatalRequest } from './fatal-request.ts'
import type { InHand } from './fatal-request.ts'
import { FuseErrno } from './handler.ts'
import type { FuseHandler } from './handler.ts'
import * as kernel from './layout.ts'
import { sendResend } from './notify.ts'
import type { DispatchOptions, Served } from './operation.ts'
import { opcodeName } from './opcodes.ts'
import { TERMINAL_REFUSAL } from './operations-refused.ts'
import { NO_REPLY } from './reply.ts'
import { FOR_EVER, NO_SLEEP, Scheduler, SourceFailed } from './scheduler.ts'
import type { Arrival, RequestSource, SchedulerOptions } from './scheduler.ts'
import { SetAside } from './set-aside.ts'
import { Tally } from './tally.ts'

/** A read-only server gets no large requests; room for batches of FORGETs. */
export const REQUEST_BYTES = 128 * 1024

/** What of the scheduling is settled by who serves. */
type Scheduling = Pick<
  SchedulerOptions<Exchange>,
  'spinMicros' | 'onBurst' | 'isCalled' | 'onWake'
>

export interface SessionOptions extends DispatchOptions, Scheduling {
  /**
   * Where requests are received, at least REQUEST_BYTES each. In memory that
   * outlives the process they are the journal of what is in hand.
   */
  readonly journal: {
    readonly request: Buffer
    /** What is served between two steps of `request`. */
    readonly between: Buffer
  }
  /** Requests by opcode and by outcome (tally.ts); written by this thread alone. */
  readonly counters: Float64Array
  /** Turns what a handler threw into an errno. */
  readonly toErrno: (error: unknown) => number
  /** Called once INIT is answered. */
  readonly onReady: () => void
  /** Called once, so long after INIT; until then nothing is done but to answer. */
  readonly settled?: { readonly afterMs: number; readonly then: () => void }
  /** Told of an answer, by opcode, that the kernel did not take, though it should. */
  readonly onStray?: (opcode: number) => void
}

/** In `Exchange.resends`: of a server that died, which may have answered it. */
const OF_THE_DEAD = -1

export class Session {
  readonly #fd: number
  readonly #wakeFd: number
  readonly #options: SessionOptions
  readonly #served: Served
  readonly #tally: Tally
  readonly #scheduler: Scheduler<Exchange>
  /** What is in hand, and what is served between two steps of it. */
  readonly #exchange: Exchange
  readonly #between: Exchange
  readonly #fatal = new FatalRequest()
  /** How often the kernel was asked to send again what is not answered. */
  #resends = 0
  /** Opcodes of answers that went astray, not told yet. */
  readonly #stray: number[] = []
  /** The errno (negative) that receiving ended with. */
  #ended = 0

  /** `fd` is /dev/fuse, non-blocking and mounted; `wakeFd` an eventfd. */
  constructor(
    fd: number,
    wakeFd: number,
    handler: FuseHandler,
    options: SessionOptions,
  ) {
    this.#fd = fd
    this.#wakeFd = wakeFd
    this.#options = options
    this.#served = { handler, options }
    this.#tally = new Tally(options.counters)
    const { request, between } = options.journal
    this.#exchange = new Exchange(request, steps =>
      this.#scheduler.through(steps),
    )
    this.#between = new Exchange(between)
    this.#scheduler = this.#makeScheduler(handler, options)
  }

  #makeScheduler(
    handler: FuseHandler,
    { spinMicros, onBurst, isCalled, onWake }: Scheduling,
  ): Scheduler<Exchange> {
    const source: RequestSource<Exchange> = {
      receive: (exchange, spin, timeoutMs) =>
        this.#receive(exchange, spin, timeoutMs),
      isInSteps: exchange => exchange.operation.isInSteps === true,
      serve: exchange => this.#serve(exchange),
      clear: exchange => exchange.request.clear(),
    }
    return new Scheduler(this.#exchange, this.#between, {
      source,
      aside: new SetAside(),
      // Should this server die, the kernel sends again what is unanswered; where
      // it cannot (before 6.9) there is one request at a time.
      mayServeBetween: () => this.#canResend,
      followUp: () => handler.followUp?.(),
      idle: handler.idle,
      spinMicros,
      onBurst,
      isCalled,
      onWake,
    })
  }

  /**
   * Goes on where a server that was killed stopped. What it read and did not
   * answer comes again from the kernel (6.9 and later) or out of the journal.
   * Answered twice it is refused by the kernel; FORGETs are never repeated, so
   * counts err on keeping a node.
   */
  recover(inHand: InHand): void {
    this.#tally.abandon()
    const exchange = this.#exchange
    const isInHand = isWhole(exchange)
    // What was served last is what the server died with.
    const last = isWhole(this.#between) ? this.#between : exchange
    if (isInHand || last !== exchange)
      this.#fatal.countDeath(last.request.bytes, inHand)
    const opcode = isInHand ? exchange.request.opcode : 0
    const comesAgain = opcode !== kernel.FUSE_INIT && this.resend() === 0
    if (!comesAgain && isInHand && exchange.operation.isUnanswered !== true) {
      this.#tally.received(opcode)
      this.#serve(exchange)
    }
    exchange.request.clear()
    this.#between.request.clear()
  }

  /**
   * Has the kernel send again what it has no answer to. Not while a request is
   * in hand. Returns 0, or -errno: -ENOSYS where the kernel cannot.
   */
  resend(): number {
    if (!this.#canResend) return -kernel.ENOSYS
    this.#resends++
    return sendResend(this.#fd)
  }

  /** Serves until unmounted or told to stop. Blocks the thread. */
  run(): 'unmounted' | 'stopped' {
    if (this.#scheduler.run() === 'stopped') return 'stopped'
    const ended = this.#ended
    if (ended !== -kernel.ENODEV && ended !== -kernel.ECONNABORTED)
      check(ended, 'cannot receive from /dev/fuse')
    return 'unmounted'
  }

  get #canResend(): boolean {
    const { flags2 } = this.#options.negotiated
    return (flags2 & kernel.FUSE_HAS_RESEND) !== 0
  }

  /** Receives a request into `exchange`. */
  #receive(exchange: Exchange, spin: number, timeoutMs: number): Arrival {
    let got =
      this.#stray.length > 0 ? this.#tellStray(exchange) : -kernel.EAGAIN
    if (got === -kernel.EAGAIN) got = this.#read(exchange, spin, timeoutMs)
    if (got === -kernel.EAGAIN) return 'nothing'
    if (got === 0) return 'call'
    if (got < 0) {
      this.#ended = got
      return 'end'
    }
    if (!exchange.accept(got, this.#resends))
      throw new DendroError(
        'IO_ERROR',
        'bad request from /dev/fuse: its length does not match',
      )
    this.#tally.received(exchange.request.opcode)
    return 'request'
  }

  /** As `fuseReceive` of the shim. */
  #read(exchange: Exchange, spin: number, timeoutMs: number): number {
    return shim().fuseReceive(
      this.#fd,
      this.#wakeFd,
      exchange.request.bytes,
      spin,
      timeoutMs,
      TERMINAL_REFUSAL,
      this.#options.counters,
    )
  }

  /**
   * Tells of answers that went astray, unless the connection is gone: then
   * none is taken. Returns what was received meanwhile.
   */
  #tellStray(exchange: Exchange): number {
    const stray = this.#stray.splice(0)
    const got = this.#read(exchange, NO_SLEEP, FOR_EVER)
    if (got > 0 || got === -kernel.EAGAIN)
      for (const opcode of stray) this.#options.onStray?.(opcode)
    return got
  }

  /** Answers the request in `exchange`, which is in hand no more then. */
  #serve(exchange: Exchange): void {
    const { request } = exchange
    let length = 0
    let errno = 0
    try {
      if (this.#fatal.isIn(request.bytes)) throw fatalError(exchange)
      length = answerRequest(exchange, this.#served)
    } catch (error) {
      if (error instanceof SourceFailed) throw error
      errno =
        error instanceof FuseErrno ? error.errno : this.#options.toErrno(error)
    }
    if (length === NO_REPLY) this.#tally.forgotten()
    else this.#send(exchange, errno, length)
    if (request.opcode === kernel.FUSE_INIT) this.#begin()
    request.clear()
  }

  /** INIT was answered. */
  #begin(): void {
    const { onReady, settled } = this.#options
    onReady()
    if (settled !== undefined)
      this.#scheduler.settle(settled.afterMs, settled.then)
  }

  #send(exchange: Exchange, errno: number, length: number): void {
    const result = exchange.send(this.#fd, errno, errno === 0 ? length : 0)
    if (result >= 0) {
      this.#tally.answered()
      return
    }
    if (errno === 0) this.#takeBack(exchange, length)
    if (result === -kernel.EINVAL && errno === 0) this.#sendError(exchange)
    else if (
      result === -kernel.ENOENT ||
      result === -kernel.EINVAL ||
      result === -kernel.ENODEV
    )
      this.#notTaken(exchange)
    else check(result, 'cannot reply to /dev/fuse')
  }

  /**
   * The answer was malformed: the kernel has told the client so (EIO), or it
   * still waits.
   */
  #sendError(exchange: Exchange): void {
    const result = exchange.send(this.#fd, kernel.EIO, 0)
    this.#stray.push(exchange.request.opcode)
    if (result >= 0 || result === -kernel.ENOENT) this.#tally.answered()
    else this.#tally.unwanted()
  }

  /**
   * The kernel knows no such request. That is as it should be when it was sent
   * again meanwhile or may have been answered by a server that died, and for an
   * INTERRUPT, whose request may be answered. A client that is killed waits for
   * the answer to what was received: there is no other good reason.
   * Source: fs/fuse/dev.c, request_wait_answer and fuse_dev_do_write.
   */
  #notTaken(exchange: Exchange): void {
    this.#tally.unwanted()
    if (exchange.resends !== this.#resends) return
    if (exchange.operation.mayFindNobody !== true)
      this.#stray.push(exchange.request.opcode)
  }

  /** The kernel did not take the answer, so it counted none of the lookups in it. */
  #takeBack(exchange: Exchange, length: number): void {
    const told = exchange.operation.nodesTold?.(exchange, length) ?? []
    for (const nodeId of told) this.#served.handler.forget(nodeId, 1)
  }
}

/** Whether a server that died left a request in an exchange's journal. */
const isWhole = (exchange: Exchange): boolean => {
  const lengthBytes = exchange.request.bytes.readUInt32LE(kernel.IN_LEN)
  return exchange.accept(lengthBytes, OF_THE_DEAD)
}

const fatalError = ({ request }: Exchange): DendroError =>
  new DendroError(
    'IO_ERROR',
    `a ${opcodeName(request.opcode)} request ended ${FATAL_DEATHS} servers; it is not tried again`,
  )
