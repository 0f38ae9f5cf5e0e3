/**
 * Rows of the table of opcodes (opcodes.ts) that are served. Each decodes its
 * request into the exchange's arguments, asks, and encodes what it was told; no
 * object is made for a request on the way. Pure, but for what is asked.
 */

import type { Arguments } from './arguments.ts'
import type { Exchange } from './exchange.ts'
import { FuseErrno } from './handler.ts'
import type { Slice } from './handler.ts'
import * as kernel from './layout.ts'
import { negotiate } from './negotiate.ts'
import type { Operation, Served } from './operation.ts'
import { nodesInRecords } from './records.ts'
import * as reply from './reply.ts'
import type { Request } from './request.ts'

const { BODY_AT } = reply

/** struct fsxattr */
const MAX_FLAGS_BYTES = 28

interface Stages<T> extends Omit<Operation, 'answer' | 'isUnanswered'> {
  /**
   * Puts what the request says into `asked`, where its node's id is already.
   * False: what it asks is `refused`.
   */
  readonly decode?: (request: Request, asked: Arguments) => boolean
  readonly ask: (exchange: Exchange, served: Served) => T
  /** Returns the length of the answer's body. */
  readonly encode: (exchange: Exchange, told: T) => number
}

const refusal = ({ refused }: Partial<Operation>): FuseErrno =>
  FuseErrno.of(refused ?? kernel.ENOSYS)

/** A row whose three stages are one function. */
const served = <T>(stages: Stages<T>): Operation => {
  const { decode, ask, encode, ...facts } = stages
  return {
    ...facts,
    answer: (exchange, who) => {
      const { request, asked } = exchange
      asked.nodeId = request.nodeId
      if (decode?.(request, asked) === false) throw refusal(facts)
      return encode(exchange, ask(exchange, who))
    },
  }
}

const unanswered = (
  stages: Omit<Stages<void>, 'encode' | 'remembered' | 'reply'>,
): Operation => ({
  ...served({
    ...stages,
    remembered: 'no answer is owed',
    encode: () => reply.NO_REPLY,
  }),
  isUnanswered: true,
})

/** Ends what is not kept here. */
const ending = (opcode: number, name: string): Operation =>
  served({
    opcode,
    name,
    remembered: 'not sent: nothing was opened',
    ask: () => undefined,
    encode: () => 0,
  })

const decodeRead = (request: Request, asked: Arguments): true => {
  asked.offset = request.u64(kernel.READ_OFFSET)
  asked.lengthBytes = request.u32(kernel.READ_SIZE)
  return true
}

const LOOKUP = served({
  opcode: kernel.FUSE_LOOKUP,
  name: 'LOOKUP',
  request: 'a name',
  handler: 'lookup',
  reply: 'fuse_entry_out',
  remembered:
    'entry and attributes, or that there is none, for ever; not an errno',
  refused: kernel.ENAMETOOLONG,
  decode: (request, asked) => {
    asked.name = request.string(0)
    return asked.name.length <= kernel.NAME_MAX_BYTES
  },
  ask: ({ asked }, { handler }) => handler.lookup(asked.nodeId, asked.name),
  encode: (exchange, entry) =>
    entry === undefined
      ? reply.writeNegativeEntry(exchange.reply, BODY_AT)
      : reply.writeEntryOut(exchange.reply, BODY_AT, entry),
  nodesTold: exchange => reply.nodesInEntry(exchange.reply, BODY_AT),
})

const GETATTR = served({
  opcode: kernel.FUSE_GETATTR,
  name: 'GETATTR',
  handler: 'getattr',
  reply: 'fuse_attr_out',
  remembered: 'the attributes, for ever',
  ask: ({ asked }, { handler }) => handler.getattr(asked.nodeId),
  encode: (exchange, attributes) =>
    reply.writeAttrOut(exchange.reply, BODY_AT, attributes),
})

const READLINK = served({
  opcode: kernel.FUSE_READLINK,
  name: 'READLINK',
  handler: 'readlink',
  reply: 'the target',
  remembered: 'the target, as pages',
  ask: ({ asked }, { handler }) => handler.readlink(asked.nodeId),
  encode: (exchange, target) => exchange.answerWith(target),
})

const READ = served({
  opcode: kernel.FUSE_READ,
  name: 'READ',
  request: 'fuse_read_in',
  handler: 'read',
  reply: 'the bytes: fewer than asked for mean the end of the file',
  remembered: 'the bytes, as pages; and the end of the file',
  isInSteps: true,
  decode: decodeRead,
  ask: ({ asked, through }, { handler }) =>
    through(handler.read(asked.nodeId, asked.offset, asked.lengthBytes)),
  encode: (exchange, parts: readonly Slice[]) => exchange.answerInParts(parts),
})

const LSEEK = served({
  opcode: kernel.FUSE_LSEEK,
  name: 'LSEEK',
  request: 'fuse_lseek_in',
  handler: 'seek',
  reply: 'fuse_lseek_out',
  remembered: 'nothing',
  refused: kernel.EINVAL,
  decode: (request, asked) => {
    asked.whence = request.u32(kernel.LSEEK_WHENCE)
    asked.offset = request.u64Clipped(kernel.LSEEK_OFFSET)
    return (
      asked.whence === kernel.SEEK_DATA || asked.whence === kernel.SEEK_HOLE
    )
  },
  ask: ({ asked }, { handler }) =>
    handler.seek(
      asked.nodeId,
      asked.offset,
      asked.whence === kernel.SEEK_DATA ? 'data' : 'hole',
    ),
  encode: (exchange, offset) =>
    reply.writeLseekOut(exchange.reply, BODY_AT, offset),
})

const directoryRow = (
  row: Pick<Operation, 'opcode' | 'name' | 'reply' | 'remembered'>,
  withAttributes: boolean,
): Operation =>
  served({
    ...row,
    request: 'fuse_read_in',
    handler: 'readdir',
    decode: decodeRead,
    ask: ({ asked, page }, { handler }) => {
      page.reset(asked.lengthBytes, withAttributes)
      handler.readdir(asked.nodeId, asked.offset, page)
    },
    encode: ({ page }) => page.lengthBytes,
    ...(withAttributes
      ? {
          nodesTold: (exchange: Exchange, lengthBytes: number) =>
            nodesInRecords(exchange.reply, BODY_AT, BODY_AT + lengthBytes),
        }
      : {}),
  })

const READDIR = directoryRow(
  {
    opcode: kernel.FUSE_READDIR,
    name: 'READDIR',
    reply: 'fuse_dirent each',
    remembered: 'the list, as pages',
  },
  false,
)

const READDIRPLUS = directoryRow(
  {
    opcode: kernel.FUSE_READDIRPLUS,
    name: 'READDIRPLUS',
    reply: 'fuse_direntplus each',
    remembered: 'the list, as pages; entries and attributes, for ever',
  },
  true,
)

/** Both requests begin with how much room there is for the answer; 0 asks for its length. */
const encodeXattr = (exchange: Exchange, value: Buffer | undefined): number => {
  if (value === undefined) throw FuseErrno.of(kernel.ENODATA)
  const room = exchange.asked.lengthBytes
  if (room === 0)
    return reply.writeGetxattrOut(exchange.reply, BODY_AT, value.length)
  if (value.length > room) throw FuseErrno.of(kernel.ERANGE)
  return exchange.answerWith(value)
}

const XATTRS = {
  remembered:
    'nothing, but what an ACL says; of a refusal, that it need not ask',
  refused: kernel.ENOSYS,
  isServed: ({ xattrs }) => xattrs,
} satisfies Partial<Operation>

const GETXATTR = served({
  ...XATTRS,
  opcode: kernel.FUSE_GETXATTR,
  name: 'GETXATTR',
  request: 'fuse_getxattr_in, a name',
  handler: 'getxattr',
  reply: 'fuse_getxattr_out, or the value',
  decode: (request, asked) => {
    asked.lengthBytes = request.u32(0)
    asked.name = request.string(kernel.GETXATTR_IN_BYTES)
    return true
  },
  ask: ({ asked }, { handler }) => handler.getxattr(asked.nodeId, asked.name),
  encode: encodeXattr,
})

const LISTXATTR = served({
  ...XATTRS,
  opcode: kernel.FUSE_LISTXATTR,
  name: 'LISTXATTR',
  request: 'fuse_getxattr_in',
  handler: 'listxattr',
  reply: 'fuse_getxattr_out, or the names',
  decode: (request, asked) => {
    asked.lengthBytes = request.u32(0)
    return true
  },
  ask: ({ asked }, { handler }) => handler.listxattr(asked.nodeId),
  encode: encodeXattr,
})

const STATFS = served({
  opcode: kernel.FUSE_STATFS,
  name: 'STATFS',
  handler: 'statfs',
  reply: 'fuse_statfs_out',
  remembered: 'nothing',
  ask: (_exchange, { handler }) => handler.statfs(),
  encode: (exchange, { blocks, files }) =>
    reply.writeStatfsOut(exchange.reply, BODY_AT, blocks, files),
})

/**
 * No file has a flag of chattr(1), and to say so is needed: overlayfs asks for
 * the flags of the lower file before it sets one on its copy.
 */
const IOCTL = served({
  opcode: kernel.FUSE_IOCTL,
  name: 'IOCTL',
  request: 'fuse_ioctl_in',
  reply: 'fuse_ioctl_out and zeros: no flags',
  remembered: 'nothing, ENOSYS neither',
  refused: kernel.ENOTTY,
  decode: (request, asked) => {
    asked.command = request.u32(kernel.IOCTL_COMMAND)
    asked.lengthBytes = request.u32(kernel.IOCTL_OUT_SIZE)
    return (
      asked.command === kernel.FS_IOC_GETFLAGS ||
      asked.command === kernel.FS_IOC_FSGETXATTR
    )
  },
  ask: ({ asked }) => Math.min(asked.lengthBytes, MAX_FLAGS_BYTES),
  encode: (exchange, dataBytes) =>
    reply.writeIoctlOut(exchange.reply, BODY_AT, dataBytes),
})

const FORGET = unanswered({
  opcode: kernel.FUSE_FORGET,
  name: 'FORGET',
  request: 'fuse_forget_in',
  handler: 'forget',
  decode: (request, asked) => {
    asked.count = request.u64(0)
    return true
  },
  ask: ({ asked }, { handler }) => handler.forget(asked.nodeId, asked.count),
})

const BATCH_FORGET = unanswered({
  opcode: kernel.FUSE_BATCH_FORGET,
  name: 'BATCH_FORGET',
  request: 'fuse_batch_forget_in, fuse_forget_one each',
  handler: 'forget',
  ask: ({ request }, { handler }) =>
    request.forgets((nodeId, count) => handler.forget(nodeId, count)),
})

const NOTIFY_REPLY = unanswered({
  opcode: kernel.FUSE_NOTIFY_REPLY,
  name: 'NOTIFY_REPLY',
  ask: () => undefined,
})

const INIT = served({
  opcode: kernel.FUSE_INIT,
  name: 'INIT',
  request: 'fuse_init_in',
  reply: 'fuse_init_out',
  remembered: 'all of it, for the life of the connection',
  ask: ({ request }, { options }) => {
    const init = negotiate(request, options)
    const { minor, flags, flags2 } = init
    Object.assign(options.negotiated, { minor, flags, flags2 })
    return init
  },
  encode: (exchange, init) => reply.writeInitOut(exchange.reply, BODY_AT, init),
})

export const SERVED_OPERATIONS: readonly Operation[] = [
  LOOKUP,
  FORGET,
  GETATTR,
  READLINK,
  READ,
  STATFS,
  GETXATTR,
  LISTXATTR,
  INIT,
  READDIR,
  IOCTL,
  NOTIFY_REPLY,
  BATCH_FORGET,
  READDIRPLUS,
  LSEEK,
  ending(kernel.FUSE_RELEASE, 'RELEASE'),
  ending(kernel.FUSE_RELEASEDIR, 'RELEASEDIR'),
  ending(kernel.FUSE_DESTROY, 'DESTROY'),
]
