/**
 * The conversation with the kernel: receives a request, asks the handler,
 * replies; one thread, nothing waits for anything but the kernel. READs are
 * answered in steps, and between them whatever else came.
 *
 * Errors of the device (docs/fuse.md has the reasons): a reply that comes back
 * with ENOENT was no longer wanted; with EINVAL it was malformed, and the
 * client would hang, so it gets EIO instead; ENODEV on receiving is the end.
 */

import { DendroError } from '../errors.ts'
import type { Steps } from '../steps.ts'
import { check, shim } from '../system/native.ts'
import { FATAL_DEATHS, FatalRequest } from './fatal-request.ts'
import type { InHand } from './fatal-request.ts'
import { FuseErrno } from './handler.ts'
import type { FuseHandler, Slice } from './handler.ts'
import { Burst } from './burst.ts'
import { MAX_PAGES, negotiate } from './negotiate.ts'
import type { Negotiated, Wishes } from './negotiate.ts'
import { isForget, refusalOf } from './refusals.ts'
import { sendResend } from './notify.ts'
import * as kernel from './layout.ts'
import {
  DirectoryPage,
  nodesIn,
  writeAttrOut,
  writeEntryOut,
  writeInitOut,
  writeNegativeEntry,
  writeStatfsOut,
} from './reply.ts'
import { Request } from './request.ts'
import { sendParts } from './send-parts.ts'

const PAGE_BYTES = 4096
const REPLY_BYTES = MAX_PAGES * PAGE_BYTES + PAGE_BYTES
/** A read-only server gets no large requests; room for batches of FORGETs. */
export const REQUEST_BYTES = 128 * 1024
const OUT = kernel.OUT_HEADER_BYTES

export interface SessionOptions extends Wishes {
  /**
   * Where requests are received, at least REQUEST_BYTES. In memory that
   * outlives the process it is the journal of the request in hand.
   */
  readonly request: Buffer
  /** INIT's outcome, written here. */
  readonly negotiated: Negotiated
  /** Whether xattrs are answered at all; else the kernel never asks again. */
  readonly xattrs: boolean
  /** How long to spin for the next request before sleeping. */
  readonly spinMicros: () => number
  /** Requests by opcode; written by this thread alone. */
  readonly counters: Float64Array
  /** Turns what a handler threw into an errno. */
  readonly toErrno: (error: unknown) => number
  /** Called once INIT is answered. */
  readonly onReady: () => void
  /** Called once, so long after INIT; until then nothing is done but to answer. */
  readonly settled?: { readonly afterMs: number; readonly then: () => void }
  /** Told when requests begin to come one right behind the other, and end to. */
  readonly onBurst?: (isOn: boolean) => void
  /** Called when the wake descriptor was written to; true: stop serving. */
  readonly onWake: () => boolean
}

/** Ask for a request that is there already. */
const NO_SLEEP = -1
const FOR_EVER = -1

/** So many others are answered between two steps of what is in hand. */
const MAX_BETWEEN = 16
/** A request of up to so many bytes can be held: any READ, and any LOOKUP. */
const HELD_BYTES = 512

/** No reply is owed: FORGET and its like. */
const NO_REPLY = -1

/** The conversation failed, not what was asked for: nobody can be answered. */
class Broken extends Error {}

export class Session {
  readonly #fd: number
  readonly #wakeFd: number
  readonly #handler: FuseHandler
  readonly #options: SessionOptions
  readonly #request: Request
  readonly #reply = Buffer.allocUnsafeSlow(REPLY_BYTES)
  readonly #page = new DirectoryPage(this.#reply, OUT)
  /** What follows the header, when it does not stand in the reply's buffer. */
  #body: readonly Slice[] | undefined
  #settlesAt: number | undefined
  readonly #burst: Burst
  /** READs that came while another request was in hand. */
  readonly #aside: Buffer[] = []
  /** What is in hand, while others are received. */
  readonly #held = Buffer.alloc(HELD_BYTES)
  readonly #fatal = new FatalRequest()

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
    this.#request = new Request(options.request)
    this.#burst = new Burst(options.onBurst ?? (() => undefined))
  }

  /**
   * Goes on where a server that was killed stopped. What it read and did not
   * answer comes again from the kernel (6.9 and later) or out of the journal.
   * Answered twice it is refused by the kernel; FORGETs are never repeated, so
   * counts err on keeping a node.
   */
  recover(inHand: InHand): void {
    const { bytes } = this.#request
    const lengthBytes = bytes.readUInt32LE(kernel.IN_LEN)
    const isInHand = this.#request.accept(lengthBytes)
    const opcode = isInHand ? this.#request.opcode : 0
    if (isInHand) this.#fatal.countDeath(bytes, inHand)
    const canResend =
      (this.#options.negotiated.flags2 & kernel.FUSE_HAS_RESEND) !== 0 &&
      opcode !== kernel.FUSE_INIT
    if (canResend && sendResend(this.#fd) === 0) this.#request.clear()
    else if (isInHand) {
      if (!isForget(opcode)) this.#serve(lengthBytes)
      this.#request.clear()
    }
  }

  /** Serves until unmounted or told to stop. Blocks the thread. */
  run(): 'unmounted' | 'stopped' {
    try {
      return this.#serveAll()
    } finally {
      this.#burst.quiet()
    }
  }

  #receive(spin: number, timeoutMs: number): number {
    // isatty(3) asks, systemd for each file that it reads, and no answer is
    // remembered: two requests in three of a machine that boots.
    return shim().fuseReceive(
      this.#fd,
      this.#wakeFd,
      this.#request.bytes,
      spin,
      kernel.FUSE_IOCTL,
      kernel.ENOTTY,
      this.#options.counters,
      timeoutMs,
    )
  }

  #serveAll(): 'unmounted' | 'stopped' {
    const { spinMicros, onWake } = this.#options
    const burst = this.#burst
    const idle = this.#handler.idle
    for (;;) {
      if (this.#serveAside()) continue
      const settlesMs = this.#untilSettled()
      const prepare = settlesMs === FOR_EVER ? idle : undefined
      let got =
        prepare === undefined
          ? -kernel.EAGAIN
          : this.#receive(NO_SLEEP, FOR_EVER)
      if (got === -kernel.EAGAIN) {
        if (prepare?.() === true) continue
        const isSettled = settlesMs === FOR_EVER
        got = this.#receive(
          spinMicros(),
          isSettled ? burst.patienceMs : settlesMs,
        )
        if (got === -kernel.EAGAIN) {
          burst.quiet()
          continue
        }
      }
      if (got > 0) {
        burst.arrived()
        this.#answer(got)
      } else if (got === 0) {
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
    if (this.#aside.length === 0) return false
    this.#serveWaiting()
    const read = this.#aside.shift() as Buffer
    read.copy(this.#request.bytes)
    this.#answer(read.length)
    return true
  }

  /** Answers what is there already, but READs: they are set aside. */
  #serveWaiting(): boolean {
    const { bytes } = this.#request
    for (let i = 0; i < MAX_BETWEEN; i++) {
      const got = this.#receive(NO_SLEEP, FOR_EVER)
      // What is wrong is met again by who waits for the next request.
      if (got <= 0) return i > 0
      this.#burst.arrived()
      if (bytes.readUInt32LE(kernel.IN_OPCODE) === kernel.FUSE_READ)
        this.#aside.push(Buffer.from(bytes.subarray(0, got)))
      else this.#serve(got)
      this.#request.clear()
    }
    return true
  }

  /**
   * Does work step by step; who looks up a name does not wait for a megabyte
   * of somebody else. Should this server die, the kernel sends again what is
   * unanswered; where it cannot (before 6.9) there is one request at a time.
   */
  #through<T>(steps: Steps<T>): T {
    const { negotiated } = this.#options
    const { bytes, lengthBytes } = this.#request
    const mayServe =
      (negotiated.flags2 & kernel.FUSE_HAS_RESEND) !== 0 &&
      lengthBytes <= HELD_BYTES
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
      if (!mayServe) continue
      bytes.copy(this.#held, 0, 0, lengthBytes)
      try {
        if (!this.#serveWaiting()) continue
      } catch (cause) {
        throw new Broken(`cannot serve: ${String(cause)}`, { cause })
      }
      this.#held.copy(bytes, 0, 0, lengthBytes)
      this.#request.accept(lengthBytes)
    }
  }

  /** Answers what was received, and does what follows from it. */
  #answer(lengthBytes: number): void {
    this.#serve(lengthBytes)
    this.#request.clear()
    const steps = this.#handler.followUp?.()
    if (steps !== undefined) this.#through(steps)
  }

  #serve(lengthBytes: number): void {
    if (!this.#request.accept(lengthBytes))
      throw new DendroError(
        'IO_ERROR',
        'bad request from /dev/fuse: its length does not match',
      )
    const { opcode } = this.#request
    const { counters } = this.#options
    const slot = Math.min(opcode, kernel.MAX_COUNTED_OPCODE)
    counters[slot] = (counters[slot] as number) + 1
    this.#body = undefined
    let length: number
    let errno = 0
    try {
      if (this.#fatal.isIn(this.#request.bytes))
        throw new DendroError(
          'IO_ERROR',
          `a ${kernel.OPCODE_NAMES[opcode] ?? opcode} request ended ${FATAL_DEATHS} servers; it is not tried again`,
        )
      length = this.#dispatch(opcode)
    } catch (error) {
      if (error instanceof Broken) throw error
      length = 0
      errno =
        error instanceof FuseErrno ? error.errno : this.#options.toErrno(error)
    }
    if (length !== NO_REPLY) this.#send(errno, length)
    if (opcode !== kernel.FUSE_INIT) return
    this.#options.onReady()
    const { settled } = this.#options
    if (settled !== undefined)
      this.#settlesAt = performance.now() + settled.afterMs
  }

  /** Writes the body behind the header; returns its length. */
  #dispatch(opcode: number): number {
    const request = this.#request
    const handler = this.#handler
    switch (opcode) {
      case kernel.FUSE_LOOKUP: {
        const entry = handler.lookup(request.nodeId, request.string(0))
        return entry === undefined
          ? writeNegativeEntry(this.#reply, OUT)
          : writeEntryOut(this.#reply, OUT, entry)
      }
      case kernel.FUSE_GETATTR:
        return writeAttrOut(this.#reply, OUT, handler.getattr(request.nodeId))
      case kernel.FUSE_READDIRPLUS:
      case kernel.FUSE_READDIR:
        this.#page.reset(request.u32(16), opcode === kernel.FUSE_READDIRPLUS)
        handler.readdir(request.nodeId, request.u64(8), this.#page)
        return this.#page.lengthBytes
      case kernel.FUSE_READ: {
        const body = this.#through(
          handler.read(request.nodeId, request.u64(8), request.u32(16)),
        )
        this.#body = body
        let length = 0
        for (const part of body) length += part.lengthBytes
        return length
      }
      case kernel.FUSE_READLINK:
        return this.#whole(handler.readlink(request.nodeId))
      case kernel.FUSE_GETXATTR:
      case kernel.FUSE_LISTXATTR:
        return this.#xattr(opcode)
      case kernel.FUSE_STATFS: {
        const { blocks, files } = handler.statfs()
        return writeStatfsOut(this.#reply, OUT, blocks, files)
      }
      case kernel.FUSE_FORGET:
        handler.forget(request.nodeId, request.u64(0))
        return NO_REPLY
      case kernel.FUSE_BATCH_FORGET:
        request.forgets((nodeId, count) => handler.forget(nodeId, count))
        return NO_REPLY
      case kernel.FUSE_NOTIFY_REPLY:
        return NO_REPLY
      case kernel.FUSE_INIT:
        return this.#init()
      case kernel.FUSE_RELEASE:
      case kernel.FUSE_RELEASEDIR:
      case kernel.FUSE_DESTROY:
        return 0
      default:
        throw FuseErrno.of(refusalOf(opcode))
    }
  }

  #whole(bytes: Buffer): number {
    this.#body = [{ bytes, begin: 0, lengthBytes: bytes.length }]
    return bytes.length
  }

  #xattr(opcode: number): number {
    if (!this.#options.xattrs) throw FuseErrno.of(kernel.ENOSYS)
    const { nodeId } = this.#request
    const room = this.#request.u32(0)
    const value =
      opcode === kernel.FUSE_LISTXATTR
        ? this.#handler.listxattr(nodeId)
        : this.#handler.getxattr(nodeId, this.#request.string(8))
    if (value === undefined) throw FuseErrno.of(kernel.ENODATA)
    if (room === 0) {
      this.#reply.writeUInt32LE(value.length, OUT)
      this.#reply.writeUInt32LE(0, OUT + 4)
      return 8
    }
    if (value.length > room) throw FuseErrno.of(kernel.ERANGE)
    return this.#whole(value)
  }

  #init(): number {
    const reply = negotiate(this.#request, this.#options)
    const { minor, flags, flags2 } = reply
    Object.assign(this.#options.negotiated, { minor, flags, flags2 })
    return writeInitOut(this.#reply, OUT, reply)
  }

  #send(errno: number, length: number): void {
    const reply = this.#reply
    const body = errno === 0 ? this.#body : undefined
    reply.writeUInt32LE(OUT + length, 0)
    reply.writeInt32LE(-errno, 4)
    // The request's unique is opaque: its bytes are copied as they are.
    const { bytes } = this.#request
    for (let i = 0; i < 8; i++)
      reply[8 + i] = bytes[kernel.IN_UNIQUE + i] as number
    const result = sendParts(this.#fd, reply, OUT, body, length)
    if (result >= 0) return
    if (result === -kernel.ENOENT) {
      if (errno === 0) this.#takeBack(OUT + length)
      return
    }
    if (result === -kernel.EINVAL && errno === 0) {
      this.#send(kernel.EIO, 0)
      return
    }
    if (result === -kernel.EINVAL || result === -kernel.ENODEV) return
    check(result, 'cannot reply to /dev/fuse')
  }

  /**
   * The kernel did not want the reply (it had it already, or its client is
   * gone), so it counted none of the lookups in it.
   */
  #takeBack(end: number): void {
    const { opcode } = this.#request
    for (const nodeId of nodesIn(this.#reply, OUT, end, opcode))
      this.#handler.forget(nodeId, 1)
  }
}
