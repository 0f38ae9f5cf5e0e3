/** Asks the handler what a request asks for, and writes its answer. */

import type { Steps } from '../steps.ts'
import { BODY_AT } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import { FuseErrno } from './handler.ts'
import type { FuseHandler } from './handler.ts'
import * as kernel from './layout.ts'
import { negotiate } from './negotiate.ts'
import type { Negotiated, Wishes } from './negotiate.ts'
import { refusalOf } from './refusals.ts'
import {
  writeAttrOut,
  writeEntryOut,
  writeInitOut,
  writeIoctlOut,
  writeLseekOut,
  writeNegativeEntry,
  writeStatfsOut,
} from './reply.ts'

/** struct fsxattr */
const MAX_FLAGS_BYTES = 28

/** No answer is owed: FORGET and its like. */
export const NO_REPLY = -1

export interface DispatchOptions extends Wishes {
  /** INIT's outcome, written here. */
  readonly negotiated: Negotiated
  /** Whether xattrs are answered at all; else the kernel never asks again. */
  readonly xattrs: boolean
}

/** Does work in steps to its end, as it sees fit. */
export type Through = <T>(steps: Steps<T>) => T

export class Dispatch {
  readonly #handler: FuseHandler
  readonly #options: DispatchOptions

  constructor(handler: FuseHandler, options: DispatchOptions) {
    this.#handler = handler
    this.#options = options
  }

  /**
   * Prepares the answer to the request in `exchange`; returns the length of its
   * body, or `NO_REPLY`. Throws `FuseErrno`, or what a handler throws.
   */
  answer(exchange: Exchange, through: Through): number {
    const { request, reply } = exchange
    const handler = this.#handler
    const { opcode } = request
    switch (opcode) {
      case kernel.FUSE_LOOKUP: {
        const name = request.string(0)
        if (name.length > kernel.NAME_MAX_BYTES)
          throw FuseErrno.of(kernel.ENAMETOOLONG)
        const entry = handler.lookup(request.nodeId, name)
        return entry === undefined
          ? writeNegativeEntry(reply, BODY_AT)
          : writeEntryOut(reply, BODY_AT, entry)
      }
      case kernel.FUSE_GETATTR:
        return writeAttrOut(reply, BODY_AT, handler.getattr(request.nodeId))
      case kernel.FUSE_READDIRPLUS:
      case kernel.FUSE_READDIR: {
        const { page } = exchange
        page.reset(request.u32(16), opcode === kernel.FUSE_READDIRPLUS)
        handler.readdir(request.nodeId, request.u64(8), page)
        return page.lengthBytes
      }
      case kernel.FUSE_READ:
        return this.#read(exchange, through)
      case kernel.FUSE_LSEEK:
        return this.#seek(exchange)
      case kernel.FUSE_IOCTL:
        return ioctl(exchange)
      case kernel.FUSE_READLINK:
        return exchange.answerWith(handler.readlink(request.nodeId))
      case kernel.FUSE_GETXATTR:
      case kernel.FUSE_LISTXATTR:
        return this.#xattr(exchange)
      case kernel.FUSE_STATFS: {
        const { blocks, files } = handler.statfs()
        return writeStatfsOut(reply, BODY_AT, blocks, files)
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
        return this.#init(exchange)
      case kernel.FUSE_RELEASE:
      case kernel.FUSE_RELEASEDIR:
      case kernel.FUSE_DESTROY:
        return 0
      default:
        throw FuseErrno.of(refusalOf(opcode))
    }
  }

  #read(exchange: Exchange, through: Through): number {
    const { request } = exchange
    const offset = request.u64(8)
    const body = through(
      this.#handler.read(request.nodeId, offset, request.u32(16)),
    )
    exchange.body = body
    let length = 0
    for (const part of body) length += part.lengthBytes
    return length
  }

  #seek({ request, reply }: Exchange): number {
    const whence = request.u32(kernel.LSEEK_WHENCE)
    if (whence !== kernel.SEEK_DATA && whence !== kernel.SEEK_HOLE)
      throw FuseErrno.of(kernel.EINVAL)
    const offset = request.u64Clipped(kernel.LSEEK_OFFSET)
    const what = whence === kernel.SEEK_DATA ? 'data' : 'hole'
    const found = this.#handler.seek(request.nodeId, offset, what)
    return writeLseekOut(reply, BODY_AT, found)
  }

  #xattr(exchange: Exchange): number {
    if (!this.#options.xattrs) throw FuseErrno.of(kernel.ENOSYS)
    const { request, reply } = exchange
    const { nodeId } = request
    const room = request.u32(0)
    const value =
      request.opcode === kernel.FUSE_LISTXATTR
        ? this.#handler.listxattr(nodeId)
        : this.#handler.getxattr(nodeId, request.string(8))
    if (value === undefined) throw FuseErrno.of(kernel.ENODATA)
    if (room === 0) {
      reply.writeUInt32LE(value.length, BODY_AT)
      reply.writeUInt32LE(0, BODY_AT + 4)
      return 8
    }
    if (value.length > room) throw FuseErrno.of(kernel.ERANGE)
    return exchange.answerWith(value)
  }

  #init({ request, reply }: Exchange): number {
    const init = negotiate(request, this.#options)
    const { minor, flags, flags2 } = init
    Object.assign(this.#options.negotiated, { minor, flags, flags2 })
    return writeInitOut(reply, BODY_AT, init)
  }
}

/**
 * No file has a flag of chattr(1), and to say so is needed: overlayfs asks for
 * the flags of the lower file before it sets one on its copy.
 */
const ioctl = ({ request, reply }: Exchange): number => {
  const command = request.u32(kernel.IOCTL_COMMAND)
  if (
    command !== kernel.FS_IOC_GETFLAGS &&
    command !== kernel.FS_IOC_FSGETXATTR
  )
    throw FuseErrno.of(kernel.ENOTTY)
  const room = request.u32(kernel.IOCTL_OUT_SIZE)
  return writeIoctlOut(reply, BODY_AT, Math.min(room, MAX_FLAGS_BYTES))
}
