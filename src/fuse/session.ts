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
import type { FuseHandler } from './handler.ts'
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

/** READs are at most max_pages long, replies to READDIR too. */
const MAX_PAGES = 256
const PAGE_BYTES = 4096
const REPLY_BYTES = MAX_PAGES * PAGE_BYTES + PAGE_BYTES
/** A read-only server gets no large requests; room for batches of FORGETs. */
const REQUEST_BYTES = 128 * 1024
const MAX_WRITE = 4096
const MAX_BACKGROUND = 64
const OUT = kernel.OUT_HEADER_BYTES

export interface SessionOptions {
  /** Whether xattrs are answered at all; else the kernel never asks again. */
  readonly xattrs: boolean
  /** Whether the kernel enforces POSIX ACLs of the trees. */
  readonly posixAcl: boolean
  readonly maxReadaheadBytes: number
  /** How long to spin for the next request before sleeping. */
  readonly spinMicros: number
  /** Requests by opcode; written by this thread alone. */
  readonly counters: Float64Array
  /** Turns what a handler threw into an errno. */
  readonly toErrno: (error: unknown) => number
  /** Called once INIT is answered. */
  readonly onReady: () => void
  /** Called when the wake descriptor was written to. */
  readonly onWake: () => void
}

/** No reply is owed: FORGET and its like. */
const NO_REPLY = -1

export class Session {
  readonly #fd: number
  readonly #wakeFd: number
  readonly #handler: FuseHandler
  readonly #options: SessionOptions
  readonly #request = new Request(Buffer.allocUnsafeSlow(REQUEST_BYTES))
  readonly #reply = Buffer.allocUnsafeSlow(REPLY_BYTES)
  readonly #page = new DirectoryPage(this.#reply, OUT)
  #body: { bytes: Buffer; begin: number; lengthBytes: number } | undefined

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
  }

  /** Serves until the filesystem is unmounted. Blocks the thread. */
  run(): void {
    const native = shim()
    const { spinMicros, onWake } = this.#options
    for (;;) {
      const got = native.fuseReceive(
        this.#fd,
        this.#wakeFd,
        this.#request.bytes,
        spinMicros,
      )
      if (got > 0) this.#serve(got)
      else if (got === 0) onWake()
      else if (got === -kernel.ENODEV || got === -kernel.ECONNABORTED) return
      else check(got, 'cannot receive from /dev/fuse')
    }
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
      length = this.#dispatch(opcode)
    } catch (error) {
      length = 0
      errno =
        error instanceof FuseErrno ? error.errno : this.#options.toErrno(error)
    }
    if (length !== NO_REPLY) this.#send(errno, length)
    if (opcode === kernel.FUSE_INIT) this.#options.onReady()
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
        return body.lengthBytes
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
        throw new FuseErrno(refusalOf(opcode))
    }
  }

  #whole(bytes: Buffer): number {
    this.#body = { bytes, begin: 0, lengthBytes: bytes.length }
    return bytes.length
  }

  #xattr(opcode: number): number {
    if (!this.#options.xattrs) throw new FuseErrno(kernel.ENOSYS)
    const { nodeId } = this.#request
    const room = this.#request.u32(0)
    const value =
      opcode === kernel.FUSE_LISTXATTR
        ? this.#handler.listxattr(nodeId)
        : this.#handler.getxattr(nodeId, this.#request.string(8))
    if (value === undefined) throw new FuseErrno(kernel.ENODATA)
    if (room === 0) {
      this.#reply.writeUInt32LE(value.length, OUT)
      this.#reply.writeUInt32LE(0, OUT + 4)
      return 8
    }
    if (value.length > room) throw new FuseErrno(kernel.ERANGE)
    return this.#whole(value)
  }

  #init(): number {
    const major = this.#request.u32(0)
    const minor = this.#request.u32(4)
    if (major < kernel.FUSE_KERNEL_VERSION || minor < 31)
      throw new FuseErrno(kernel.EINVAL)
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
    return writeInitOut(this.#reply, OUT, {
      minor: Math.min(minor, kernel.FUSE_KERNEL_MINOR_VERSION),
      maxReadahead: Math.min(
        this.#request.u32(8),
        this.#options.maxReadaheadBytes,
      ),
      flags: offered & wanted,
      flags2: offered2 & kernel.FUSE_HAS_RESEND,
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
    const native = shim()
    const result =
      body === undefined
        ? native.writeParts(this.#fd, reply, OUT + length)
        : native.writeParts(
            this.#fd,
            reply,
            OUT,
            body.bytes,
            body.begin,
            body.lengthBytes,
          )
    if (result >= 0 || result === -kernel.ENOENT) return
    if (result === -kernel.EINVAL && errno === 0) {
      this.#send(kernel.EIO, 0)
      return
    }
    if (result === -kernel.EINVAL || result === -kernel.ENODEV) return
    check(result, 'cannot reply to /dev/fuse')
  }
}

/** The errno for an operation that is not served; ENOSYS is remembered by the kernel. */
const refusalOf = (opcode: number): number => {
  switch (opcode) {
    case kernel.FUSE_SETATTR:
    case kernel.FUSE_SYMLINK:
    case kernel.FUSE_MKNOD:
    case kernel.FUSE_MKDIR:
    case kernel.FUSE_UNLINK:
    case kernel.FUSE_RMDIR:
    case kernel.FUSE_RENAME:
    case kernel.FUSE_RENAME2:
    case kernel.FUSE_LINK:
    case kernel.FUSE_WRITE:
    case kernel.FUSE_SETXATTR:
    case kernel.FUSE_REMOVEXATTR:
    case kernel.FUSE_CREATE:
    case kernel.FUSE_TMPFILE:
      return kernel.EROFS
    case kernel.FUSE_IOCTL:
      // Not remembered by the kernel when ENOSYS: ENOTTY says the same.
      return kernel.ENOTTY
    default:
      return kernel.ENOSYS
  }
}
