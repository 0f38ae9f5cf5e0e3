/**
 * The conversation with the kernel: receives a request, asks the handler,
 * replies; one thread, nothing waits for anything but the kernel.
 *
 * Errors of the device (docs/fuse.md has the reasons): a reply that comes back
 * with ENOENT was no longer wanted; with EINVAL it was malformed, and the
 * client would hang, so it gets EIO instead; ENODEV on receiving is the end.
 */

import { DendroError } from '../errors.ts'
import { check, shim } from '../system/native.ts'
import { FuseErrno } from './handler.ts'
import type { FuseHandler, Slice } from './handler.ts'
import { Burst } from './burst.ts'
import { isForget, refusalOf } from './refusals.ts'
import { sendResend } from './notify.ts'
import * as kernel from './layout.ts'
import {
  DirectoryPage,
  writeAttrOut,
  writeEntryOut,
  writeInitOut,
  writeNegativeEntry,
  writeStatfsOut,
} from './reply.ts'
import { Request } from './request.ts'
import { sendParts } from './send-parts.ts'

/** READs are at most max_pages long, replies to READDIR too. */
const MAX_PAGES = 256
const PAGE_BYTES = 4096
const REPLY_BYTES = MAX_PAGES * PAGE_BYTES + PAGE_BYTES
/** A read-only server gets no large requests; room for batches of FORGETs. */
export const REQUEST_BYTES = 128 * 1024
const MAX_WRITE = 4096
const MAX_BACKGROUND = 64
const OUT = kernel.OUT_HEADER_BYTES

/** What INIT settled; a server that takes over is not told again. */
export interface Negotiated {
  minor: number
  flags: number
  flags2: number
}

/** The request that was in hand when the last server died, over and over. */
export interface InHand {
  /** Its unique, as two words. */
  readonly unique: Uint32Array
  /** Servers that died with it, one number. */
  readonly deaths: Uint32Array
}

export interface SessionOptions {
  /**
   * Where requests are received, at least REQUEST_BYTES. In memory that
   * outlives the process it is the journal of the request in hand.
   */
  readonly request: Buffer
  /** INIT's outcome, written here. */
  readonly negotiated: Negotiated
  /** Whether xattrs are answered at all; else the kernel never asks again. */
  readonly xattrs: boolean
  /** Whether the kernel enforces POSIX ACLs of the trees. */
  readonly posixAcl: boolean
  readonly maxReadaheadBytes: number
  /** Whether NOTIFY_RESEND is negotiated where the kernel offers it. */
  readonly resend: boolean
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

/** No reply is owed: FORGET and its like. */
const NO_REPLY = -1

/** A request that this many servers died with is answered with EIO. */
const FATAL_DEATHS = 3

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
  /** The unique of a request that is not to be tried again. */
  #fatal: Buffer | undefined

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
    if (isInHand) this.#countDeath(inHand)
    const canResend =
      (this.#options.negotiated.flags2 & kernel.FUSE_HAS_RESEND) !== 0 &&
      opcode !== kernel.FUSE_INIT
    if (canResend && sendResend(this.#fd) === 0) this.#request.clear()
    else if (isInHand) {
      if (!isForget(opcode)) this.#serve(lengthBytes)
      this.#request.clear()
    }
  }

  #countDeath({ unique, deaths }: InHand): void {
    const { bytes } = this.#request
    const low = bytes.readUInt32LE(kernel.IN_UNIQUE)
    // The kernel marks a request that it sends again in the highest bit.
    const high = bytes.readUInt32LE(kernel.IN_UNIQUE + 4) & 0x7fffffff
    const isSame = unique[0] === low && unique[1] === high
    deaths[0] = isSame ? (deaths[0] as number) + 1 : 1
    unique[0] = low
    unique[1] = high
    if (deaths[0] < FATAL_DEATHS) return
    this.#fatal = Buffer.alloc(8)
    this.#fatal.writeUInt32LE(low, 0)
    this.#fatal.writeUInt32LE(high, 4)
  }

  #isFatal(): boolean {
    if (this.#fatal === undefined) return false
    const { bytes } = this.#request
    return (
      bytes.readUInt32LE(kernel.IN_UNIQUE) === this.#fatal.readUInt32LE(0) &&
      (bytes.readUInt32LE(kernel.IN_UNIQUE + 4) & 0x7fffffff) ===
        this.#fatal.readUInt32LE(4)
    )
  }

  /** Serves until unmounted or told to stop. Blocks the thread. */
  run(): 'unmounted' | 'stopped' {
    const burst = new Burst(this.#options.onBurst ?? (() => undefined))
    try {
      return this.#serveAll(burst)
    } finally {
      burst.quiet()
    }
  }

  #serveAll(burst: Burst): 'unmounted' | 'stopped' {
    const native = shim()
    const { spinMicros, onWake, counters } = this.#options
    const { bytes } = this.#request
    // isatty(3) asks, systemd for each file that it reads, and no answer is
    // remembered: two requests in three of a machine that boots.
    const receive = (spin: number, timeoutMs: number): number =>
      native.fuseReceive(
        this.#fd,
        this.#wakeFd,
        bytes,
        spin,
        kernel.FUSE_IOCTL,
        kernel.ENOTTY,
        counters,
        timeoutMs,
      )
    const idle = this.#handler.idle
    for (;;) {
      const settlesMs = this.#untilSettled()
      const prepare = settlesMs === FOR_EVER ? idle : undefined
      let got =
        prepare === undefined ? -kernel.EAGAIN : receive(NO_SLEEP, FOR_EVER)
      if (got === -kernel.EAGAIN) {
        if (prepare?.() === true) continue
        const isSettled = settlesMs === FOR_EVER
        got = receive(spinMicros(), isSettled ? burst.patienceMs : settlesMs)
        if (got === -kernel.EAGAIN) {
          burst.quiet()
          continue
        }
      }
      if (got > 0) {
        burst.arrived()
        this.#serve(got)
        this.#request.clear()
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
      if (this.#isFatal())
        throw new DendroError(
          'IO_ERROR',
          `a ${kernel.OPCODE_NAMES[opcode] ?? opcode} request ended ${FATAL_DEATHS} servers; it is not tried again`,
        )
      length = this.#dispatch(opcode)
    } catch (error) {
      length = 0
      errno =
        error instanceof FuseErrno ? error.errno : this.#options.toErrno(error)
    }
    if (length !== NO_REPLY) {
      this.#send(errno, length)
      this.#handler.replied?.()
    }
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
        const body = handler.read(
          request.nodeId,
          request.u64(8),
          request.u32(16),
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
    const major = this.#request.u32(0)
    const minor = this.#request.u32(4)
    if (major < kernel.FUSE_KERNEL_VERSION || minor < 31)
      throw FuseErrno.of(kernel.EINVAL)
    const offered = this.#request.u32(12)
    const isExtended =
      (offered & kernel.FUSE_INIT_EXT) !== 0 && this.#request.lengthBytes >= 104
    const offered2 = isExtended ? this.#request.u32(16) : 0
    let wanted =
      kernel.FUSE_ASYNC_READ |
      kernel.FUSE_DO_READDIRPLUS |
      kernel.FUSE_NO_OPEN_SUPPORT |
      kernel.FUSE_PARALLEL_DIROPS |
      kernel.FUSE_MAX_PAGES |
      kernel.FUSE_CACHE_SYMLINKS |
      kernel.FUSE_NO_OPENDIR_SUPPORT |
      kernel.FUSE_EXPLICIT_INVAL_DATA |
      kernel.FUSE_INIT_EXT
    if (this.#options.posixAcl) wanted |= kernel.FUSE_POSIX_ACL
    const { negotiated } = this.#options
    negotiated.minor = Math.min(minor, kernel.FUSE_KERNEL_MINOR_VERSION)
    negotiated.flags = (offered & wanted) >>> 0
    negotiated.flags2 = this.#options.resend
      ? offered2 & kernel.FUSE_HAS_RESEND
      : 0
    return writeInitOut(this.#reply, OUT, {
      minor: negotiated.minor,
      maxReadahead: Math.min(
        this.#request.u32(8),
        this.#options.maxReadaheadBytes,
      ),
      flags: negotiated.flags,
      flags2: negotiated.flags2,
      maxBackground: MAX_BACKGROUND,
      maxWrite: MAX_WRITE,
      maxPages: MAX_PAGES,
    })
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
    const forget = (at: number): void => {
      const nodeId =
        this.#reply.readUInt32LE(at) +
        this.#reply.readUInt32LE(at + 4) * 0x100000000
      if (nodeId > kernel.FUSE_ROOT_ID) this.#handler.forget(nodeId, 1)
    }
    if (opcode === kernel.FUSE_LOOKUP) forget(OUT)
    if (opcode !== kernel.FUSE_READDIRPLUS) return
    for (let at = OUT; at < end;) {
      forget(at)
      const nameBytes = this.#reply.readUInt32LE(
        at + kernel.ENTRY_OUT_BYTES + 16,
      )
      const record = kernel.ENTRY_OUT_BYTES + kernel.DIRENT_BYTES + nameBytes
      at += Math.ceil(record / 8) * 8
    }
  }
}
