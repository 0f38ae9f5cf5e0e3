/**
 * The conversation with the kernel: receives a request, asks the handler,
 * replies; one thread, nothing waits for anything but the kernel. READs are
 * answered in steps, and between them whatever else came.
 *
 * Errors of the device: docs/fuse.md has the reasons.
 */

import { DendroError } from '../errors.ts'
import { finish } from '../steps.ts'
import type { Steps } from '../steps.ts'
import { check, shim } from '../system/native.ts'
import { Burst } from './burst.ts'
import { Dispatch, NO_REPLY } from './dispatch.ts'
import type { DispatchOptions, Through } from './dispatch.ts'
import { Exchange } from './exchange.ts'
import { FATAL_DEATHS, FatalRequest } from './fatal-request.ts'
import type { InHand } from './fatal-request.ts'
import { FuseErrno } from './handler.ts'
import type { FuseHandler } from './handler.ts'
import * as kernel from './layout.ts'
import { sendResend } from './notify.ts'
import { isForget, TERMINAL_REFUSAL } from './refusals.ts'
import { SetAside } from './set-aside.ts'
import { Tally } from './tally.ts'

/** A read-only server gets no large requests; room for batches of FORGETs. */
export const REQUEST_BYTES = 128 * 1024

export interface SessionOptions extends DispatchOptions {
  /**
   * Where requests are received, at least REQUEST_BYTES each. In memory that
   * outlives the process they are the journal of what is in hand.
   */
  readonly journal: {
    readonly request: Buffer
    /** What is served between two steps of `request`. */
    readonly between: Buffer
  }
  /** How long to spin for the next request before sleeping. */
  readonly spinMicros: () => number
  /** Requests by opcode and by outcome (tally.ts); written by this thread alone. */
  readonly counters: Float64Array
  /** Turns what a handler threw into an errno. */
  readonly toErrno: (error: unknown) => number
  /** Called once INIT is answered. */
  readonly onReady: () => void
  /** Called once, so long after INIT; until then nothing is done but to answer. */
  readonly settled?: { readonly afterMs: number; readonly then: () => void }
  /** Told when requests begin to come one right behind the other, and end to. */
  readonly onBurst?: (isOn: boolean) => void
  /** Told of an answer, by opcode, that the kernel did not take, though it should. */
  readonly onStray?: (opcode: number) => void
  /** Whether `onWake` is to be called though requests come without a pause. */
  readonly isCalled?: () => boolean
  /** Called when the wake descriptor was written to; true: stop serving. */
  readonly onWake: () => boolean
}

/** Ask for a request that is there already. */
const NO_SLEEP = -1
const FOR_EVER = -1

/** So many others are answered between two steps of what is in hand. */
const MAX_BETWEEN = 16
/** In `Exchange.resends`: of a server that died, which may have answered it. */
const OF_THE_DEAD = -1

/** The conversation failed, not what was asked for: nobody can be answered. */
class Broken extends Error {}

export class Session {
  readonly #fd: number
  readonly #wakeFd: number
  readonly #handler: FuseHandler
  readonly #options: SessionOptions
  readonly #dispatch: Dispatch
  readonly #tally: Tally
  /** What is in hand, and what is served between two steps of it. */
  readonly #exchange: Exchange
  readonly #between: Exchange
  /** READs that came while another request was in hand. */
  readonly #aside = new SetAside()
  readonly #burst: Burst
  readonly #fatal = new FatalRequest()
  #settlesAt: number | undefined
  /** How often the kernel was asked to send again what is not answered. */
  #resends = 0
  /** Opcodes of answers that went astray, not told yet. */
  readonly #stray: number[] = []

  /** `fd` is /dev/fuse, non-blocking and mounted; `wakeFd` an eventfd. */
  constructor(
    fd: number,
    wakeFd: number,
    handler: FuseHandler,
    options: SessionOptions,
  ) {
    this.#fd = fd
    this.#wakeFd = wakeFd
    this.#handler = handler
    this.#options = options
    this.#dispatch = new Dispatch(handler, options)
    this.#tally = new Tally(options.counters)
    this.#exchange = new Exchange(options.journal.request)
    this.#between = new Exchange(options.journal.between)
    this.#burst = new Burst(options.onBurst ?? (() => undefined))
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
    if (!comesAgain && isInHand && !isForget(opcode)) {
      this.#tally.received(opcode)
      this.#serve(exchange, this.#through)
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
    try {
      return this.#serveAll()
    } finally {
      this.#burst.quiet()
    }
  }

  get #canResend(): boolean {
    const { flags2 } = this.#options.negotiated
    return (flags2 & kernel.FUSE_HAS_RESEND) !== 0
  }

  /** Receives a request into `exchange`; else 0 or -errno as `fuseReceive`. */
  #receive(exchange: Exchange, spin: number, timeoutMs: number): number {
    let got =
      this.#stray.length > 0 ? this.#tellStray(exchange) : -kernel.EAGAIN
    if (got === -kernel.EAGAIN)
      got = shim().fuseReceive(
        this.#fd,
        this.#wakeFd,
        exchange.request.bytes,
        spin,
        timeoutMs,
        TERMINAL_REFUSAL,
        this.#options.counters,
      )
    if (got <= 0) return got
    if (!exchange.accept(got, this.#resends))
      throw new DendroError(
        'IO_ERROR',
        'bad request from /dev/fuse: its length does not match',
      )
    this.#burst.arrived()
    this.#tally.received(exchange.request.opcode)
    return got
  }

  /**
   * Tells of answers that went astray, unless the connection is gone: then
   * none is taken. Returns what was received meanwhile.
   */
  #tellStray(exchange: Exchange): number {
    const stray = this.#stray.splice(0)
    const got = shim().fuseReceive(
      this.#fd,
      this.#wakeFd,
      exchange.request.bytes,
      NO_SLEEP,
      FOR_EVER,
      TERMINAL_REFUSAL,
      this.#options.counters,
    )
    if (got > 0 || got === -kernel.EAGAIN)
      for (const opcode of stray) this.#options.onStray?.(opcode)
    return got
  }

  #serveAll(): 'unmounted' | 'stopped' {
    const { spinMicros, onWake, isCalled } = this.#options
    const burst = this.#burst
    const idle = this.#handler.idle
    const exchange = this.#exchange
    for (;;) {
      if (this.#serveAside()) continue
      if (isCalled?.() === true && onWake()) return 'stopped'
      const settlesMs = this.#untilSettled()
      const prepare = settlesMs === FOR_EVER ? idle : undefined
      let got =
        prepare === undefined
          ? -kernel.EAGAIN
          : this.#receive(exchange, NO_SLEEP, FOR_EVER)
      if (got === -kernel.EAGAIN) {
        if (prepare?.() === true) continue
        const isSettled = settlesMs === FOR_EVER
        const patienceMs = isSettled ? burst.patienceMs : settlesMs
        got = this.#receive(exchange, spinMicros(), patienceMs)
        if (got === -kernel.EAGAIN) {
          burst.quiet()
          continue
        }
      }
      if (got > 0) this.#answer()
      else if (got === 0) {
        if (onWake()) return 'stopped'
      } else if (got === -kernel.ENODEV || got === -kernel.ECONNABORTED)
        return 'unmounted'
      else check(got, 'cannot receive from /dev/fuse')
    }
  }

  /** Milliseconds until there is something to do besides requests. */
  #untilSettled(): number {
    if (this.#settlesAt === undefined) return FOR_EVER
    const left = Math.ceil(this.#settlesAt - performance.now())
    if (left > 0) return left
    this.#settlesAt = undefined
    this.#options.settled?.then()
    return FOR_EVER
  }

  /** Answers what came meanwhile, and the first READ that was set aside. */
  #serveAside(): boolean {
    if (this.#aside.isEmpty) return false
    this.#serveWaiting()
    this.#aside.shift(this.#exchange)
    this.#answer()
    return true
  }

  /** Answers what is there already, but READs: they are set aside. */
  #serveWaiting(): void {
    const between = this.#between
    for (let i = 0; i < MAX_BETWEEN; i++) {
      // What is wrong is met again by who waits for the next request.
      if (this.#receive(between, NO_SLEEP, FOR_EVER) <= 0) return
      if (between.request.opcode === kernel.FUSE_READ) this.#aside.push(between)
      else this.#serve(between, finish)
      between.request.clear()
    }
  }

  /**
   * Does work step by step; who looks up a name does not wait for a megabyte
   * of somebody else. Should this server die, the kernel sends again what is
   * unanswered; where it cannot (before 6.9) there is one request at a time.
   */
  readonly #through = <T>(steps: Steps<T>): T => {
    const mayServe = this.#canResend
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
      if (!mayServe) continue
      try {
        this.#serveWaiting()
      } catch (cause) {
        throw new Broken(`cannot serve: ${String(cause)}`, { cause })
      }
    }
  }

  /** Answers what is in hand, and does what follows from it. */
  #answer(): void {
    this.#serve(this.#exchange, this.#through)
    this.#exchange.request.clear()
    const steps = this.#handler.followUp?.()
    if (steps !== undefined) this.#through(steps)
  }

  #serve(exchange: Exchange, through: Through): void {
    const { request } = exchange
    const { opcode } = request
    let length = 0
    let errno = 0
    try {
      if (this.#fatal.isIn(request.bytes))
        throw new DendroError(
          'IO_ERROR',
          `a ${kernel.OPCODE_NAMES[opcode] ?? opcode} request ended ${FATAL_DEATHS} servers; it is not tried again`,
        )
      length = this.#dispatch.answer(exchange, through)
    } catch (error) {
      if (error instanceof Broken) throw error
      errno =
        error instanceof FuseErrno ? error.errno : this.#options.toErrno(error)
    }
    if (length === NO_REPLY) this.#tally.forgotten()
    else this.#send(exchange, errno, length)
    if (opcode !== kernel.FUSE_INIT) return
    this.#options.onReady()
    const { settled } = this.#options
    if (settled !== undefined)
      this.#settlesAt = performance.now() + settled.afterMs
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
    const { opcode } = exchange.request
    if (exchange.resends !== this.#resends) return
    if (opcode !== kernel.FUSE_INTERRUPT) this.#stray.push(opcode)
  }

  /** The kernel did not take the answer, so it counted none of the lookups in it. */
  #takeBack(exchange: Exchange, length: number): void {
    for (const nodeId of exchange.nodesTold(length))
      this.#handler.forget(nodeId, 1)
  }
}

/** Whether a server that died left a request in an exchange's journal. */
const isWhole = (exchange: Exchange): boolean => {
  const lengthBytes = exchange.request.bytes.readUInt32LE(kernel.IN_LEN)
  return exchange.accept(lengthBytes, OF_THE_DEAD)
}
