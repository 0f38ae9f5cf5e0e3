import { readFileSync } from 'node:fs'
import t from 'tap'
import { finish } from '../steps.ts'
import { answerRequest } from './dispatch.ts'
import { Exchange } from './exchange.ts'
import { FuseErrno } from './handler.ts'
import type { Attributes, FuseHandler } from './handler.ts'
import * as kernel from './layout.ts'
import type { DispatchOptions, Operation } from './operation.ts'
import { opcodeName, operationOf, OPERATIONS } from './opcodes.ts'
import { NO_REPLY } from './reply.ts'
import { countsByOpcode, makeCounters, Tally } from './tally.ts'

/** Names of errnos that rows refuse with. */
const ERRNO_NAMES = new Map<number, string>([
  [kernel.EINVAL, 'EINVAL'],
  [kernel.ENAMETOOLONG, 'ENAMETOOLONG'],
  [kernel.ENOSYS, 'ENOSYS'],
  [kernel.ENOTTY, 'ENOTTY'],
  [kernel.EROFS, 'EROFS'],
])

const refusalOf = ({ answer, isServed, refused }: Operation): string => {
  if (refused === undefined) return ''
  const errno = ERRNO_NAMES.get(refused) ?? ''
  if (answer === undefined) return errno
  return isServed === undefined
    ? `${errno}: some`
    : `${errno}: some connections`
}

/** The table as docs/fuse.md has it. */
const documentedTable = (): string[] => [
  '| | request | carries | asks | answer | refused | the kernel remembers |',
  '|---|---|---|---|---|---|---|',
  ...OPERATIONS.map(row =>
    [
      '',
      ` ${row.opcode} `,
      ` ${row.name} `,
      row.request === undefined ? ' ' : ` ${row.request} `,
      row.handler === undefined ? ' ' : ` \`${row.handler}\` `,
      row.reply === undefined ? ' ' : ` ${row.reply} `,
      refusalOf(row) === '' ? ' ' : ` ${refusalOf(row)} `,
      ` ${row.remembered} `,
      '',
    ].join('|'),
  ),
]

t.test('docs/fuse.md has the table', async t => {
  const page = readFileSync('docs/fuse.md', 'utf8')
  const section =
    page.split('## What is answered\n')[1]?.split('\n## ')[0] ?? ''
  const lines = section.split('\n').filter(line => line.startsWith('|'))
  t.same(lines, documentedTable())
})

t.test('each opcode of Linux 6.18 has one row', async t => {
  const numbers = Array.from({ length: 53 }, (_, i) => i + 1)
  t.same(
    OPERATIONS.map(({ opcode }) => opcode),
    numbers.filter(number => number !== 7 && number !== 19),
  )
  const named = new Map(Object.entries(kernel))
  for (const { name, opcode } of OPERATIONS)
    t.equal(named.get(`FUSE_${name}`), opcode, name)
  t.equal(opcodeName(kernel.FUSE_READ), 'READ')
  t.equal(operationOf(4096).refused, kernel.ENOSYS)
  t.equal(opcodeName(4096), 'OPCODE_4096')
})

const ATTRIBUTES: Attributes = {
  inoHigh: 0,
  inoLow: 5,
  mode: 0o100644,
  nlink: 1,
  uid: 0,
  gid: 0,
  sizeBytes: 3,
  blocks: 1,
  mtimeSec: 0,
  mtimeNsec: 0,
  rdevMajor: 0,
  rdevMinor: 0,
}
const ENTRY = { nodeId: 9, generation: 1, attributes: ATTRIBUTES }
const NODE = 7

/** A handler that writes down what it is asked, and with what. */
const recorder = () => {
  const calls: [string, ...unknown[]][] = []
  const told =
    <T>(name: string, answer: T) =>
    (...values: unknown[]): T => {
      calls.push([name, ...values])
      return answer
    }
  const handler: FuseHandler = {
    lookup: (_, name) =>
      told('lookup', name === 'no' ? undefined : ENTRY)(_, name),
    getattr: told('getattr', ATTRIBUTES),
    readlink: told('readlink', Buffer.from('target')),
    *read(...values) {
      yield
      const bytes = Buffer.from('a body')
      const parts = [
        { bytes, begin: 0, lengthBytes: 2 },
        { bytes, begin: 2, lengthBytes: 4 },
      ]
      return told('read', parts)(...values)
    },
    seek: told('seek', 11),
    readdir: (nodeId, cookie, sink) => {
      told('readdir', undefined)(nodeId, cookie)
      sink.add('name', 3, ATTRIBUTES, () => ENTRY)
    },
    getxattr: told('getxattr', Buffer.from('value')),
    listxattr: told('listxattr', Buffer.from('user.a\0')),
    statfs: told('statfs', { blocks: 4, files: 2 }),
    forget: told('forget', undefined),
  }
  return { calls, handler }
}

const OPTIONS: DispatchOptions = {
  negotiated: { minor: 0, flags: 0, flags2: 0 },
  xattrs: true,
  posixAcl: false,
  maxReadaheadBytes: 4096,
  resend: true,
}

/** Words of a request's body, or text behind them. */
const bodyOf = (...parts: (number | string)[]): Buffer =>
  Buffer.concat(
    parts.map(part =>
      typeof part === 'string'
        ? Buffer.from(`${part}\0`, 'latin1')
        : Buffer.from(Uint32Array.of(part).buffer),
    ),
  )

/** Has a request answered; the errno, or the body of the answer. */
const ask = (opcode: number, body: Buffer, options = OPTIONS) => {
  const { calls, handler } = recorder()
  const exchange = new Exchange(Buffer.alloc(1024), finish)
  const { bytes } = exchange.request
  const length = kernel.IN_HEADER_BYTES + body.length
  bytes.writeUInt32LE(length, kernel.IN_LEN)
  bytes.writeUInt32LE(opcode, kernel.IN_OPCODE)
  bytes.writeBigUInt64LE(BigInt(NODE), kernel.IN_NODEID)
  body.copy(bytes, kernel.IN_HEADER_BYTES)
  if (!exchange.accept(length, 0)) throw new Error('not whole')
  try {
    const lengthBytes = answerRequest(exchange, { handler, options })
    return { calls, exchange, lengthBytes, errno: 0 }
  } catch (error) {
    if (!(error instanceof FuseErrno)) throw error
    return { calls, exchange, lengthBytes: 0, errno: error.errno }
  }
}

const READ_IN = bodyOf(0, 0, 4096, 0, 512, 0, 0, 0, 0, 0)

/** Opcode, body, what the handler is asked with, and how long the answer is. */
const SERVED: readonly [number, Buffer, unknown[][], number][] = [
  [kernel.FUSE_LOOKUP, bodyOf('etc'), [['lookup', NODE, 'etc']], 128],
  [kernel.FUSE_LOOKUP, bodyOf('no'), [['lookup', NODE, 'no']], 128],
  [kernel.FUSE_FORGET, bodyOf(3, 0), [['forget', NODE, 3]], NO_REPLY],
  [kernel.FUSE_GETATTR, bodyOf(0, 0, 0, 0), [['getattr', NODE]], 104],
  [kernel.FUSE_READLINK, bodyOf(), [['readlink', NODE]], 6],
  [kernel.FUSE_READ, READ_IN, [['read', NODE, 4096, 512]], 6],
  [kernel.FUSE_STATFS, bodyOf(), [['statfs']], 80],
  [kernel.FUSE_RELEASE, bodyOf(0, 0, 0, 0, 0, 0), [], 0],
  [
    kernel.FUSE_GETXATTR,
    bodyOf(0, 0, 'user.a'),
    [['getxattr', NODE, 'user.a']],
    8,
  ],
  [
    kernel.FUSE_GETXATTR,
    bodyOf(5, 0, 'user.a'),
    [['getxattr', NODE, 'user.a']],
    5,
  ],
  [kernel.FUSE_LISTXATTR, bodyOf(64, 0), [['listxattr', NODE]], 7],
  [kernel.FUSE_INIT, bodyOf(7, 45, 65536, 0xffffffff), [], 64],
  [kernel.FUSE_READDIR, READ_IN, [['readdir', NODE, 4096]], 32],
  [kernel.FUSE_RELEASEDIR, bodyOf(0, 0, 0, 0, 0, 0), [], 0],
  [kernel.FUSE_DESTROY, bodyOf(), [], 0],
  [
    kernel.FUSE_IOCTL,
    bodyOf(0, 0, 0, kernel.FS_IOC_GETFLAGS, 0, 0, 0, 8),
    [],
    16 + 8,
  ],
  [kernel.FUSE_NOTIFY_REPLY, bodyOf(), [], NO_REPLY],
  [
    kernel.FUSE_BATCH_FORGET,
    bodyOf(2, 0, 5, 0, 1, 0, 6, 0, 300, 0),
    [
      ['forget', 5, 1],
      ['forget', 6, 300],
    ],
    NO_REPLY,
  ],
  [kernel.FUSE_READDIRPLUS, READ_IN, [['readdir', NODE, 4096]], 160],
  [
    kernel.FUSE_LSEEK,
    bodyOf(0, 0, 4096, 0, kernel.SEEK_HOLE, 0),
    [['seek', NODE, 4096, 'hole']],
    8,
  ],
]

t.test('what is served asks whom its row names, once', async t => {
  for (const [opcode, body, asked, lengthBytes] of SERVED) {
    const { name, handler } = operationOf(opcode)
    const got = ask(opcode, body)
    t.same(got.calls, asked, name)
    for (const [method] of got.calls) t.equal(method, handler, name)
    t.equal(got.lengthBytes, lengthBytes, `${name}: length of the answer`)
    t.equal(got.errno, 0, name)
  }
  const shown = new Set(SERVED.map(([opcode]) => opcode))
  for (const { opcode, name, answer } of OPERATIONS)
    t.equal(shown.has(opcode), answer !== undefined, `${name} is tried here`)
})

t.test('what is not served is refused as its row says', async t => {
  const refused = OPERATIONS.filter(({ answer }) => answer === undefined)
  t.equal(refused.length, 33)
  for (const { opcode, name, refused: errno } of refused) {
    const got = ask(opcode, bodyOf())
    t.equal(got.errno, errno, name)
    t.same(got.calls, [], name)
  }
  t.equal(ask(4096, bodyOf()).errno, kernel.ENOSYS, 'of a newer kernel')
})

t.test('part of what is served is refused', async t => {
  const none = { ...OPTIONS, xattrs: false }
  const errnos = (opcode: number, ...body: (number | string)[]) =>
    ask(opcode, bodyOf(...body)).errno
  t.equal(errnos(kernel.FUSE_LOOKUP, 'n'.repeat(255)), 0)
  t.equal(errnos(kernel.FUSE_LOOKUP, 'n'.repeat(256)), kernel.ENAMETOOLONG)
  t.equal(errnos(kernel.FUSE_LSEEK, 0, 0, 0, 0, 0, 0), kernel.EINVAL)
  t.equal(errnos(kernel.FUSE_IOCTL, 0, 0, 0, 1, 0, 0, 0, 8), kernel.ENOTTY)
  t.equal(errnos(kernel.FUSE_GETXATTR, 1, 0, 'user.a'), kernel.ERANGE)
  t.equal(errnos(kernel.FUSE_INIT, 7, 30, 0, 0), kernel.EINVAL)
  for (const opcode of [kernel.FUSE_GETXATTR, kernel.FUSE_LISTXATTR]) {
    const got = ask(opcode, bodyOf(64, 0, 'user.a'), none)
    t.equal(got.errno, kernel.ENOSYS)
    t.same(got.calls, [])
  }
})

t.test('the nodes that an answer told of can be taken back', async t => {
  const told = (opcode: number, body: Buffer) => {
    const { exchange, lengthBytes } = ask(opcode, body)
    const nodes = exchange.operation.nodesTold?.(exchange, lengthBytes)
    return nodes === undefined ? undefined : [...nodes]
  }
  t.same(told(kernel.FUSE_LOOKUP, bodyOf('etc')), [ENTRY.nodeId])
  t.same(told(kernel.FUSE_LOOKUP, bodyOf('no')), [])
  t.same(told(kernel.FUSE_READDIRPLUS, READ_IN), [ENTRY.nodeId])
  t.equal(told(kernel.FUSE_READDIR, READ_IN), undefined)
  t.equal(told(kernel.FUSE_GETATTR, bodyOf(0, 0, 0, 0)), undefined)
})

t.test('requests are counted under the names of the table', async t => {
  const tally = new Tally(makeCounters())
  tally.received(kernel.FUSE_READ)
  tally.received(kernel.FUSE_READ)
  tally.received(kernel.FUSE_LOOKUP)
  t.same(
    countsByOpcode(tally.counters).map(([opcode, count]) => [
      opcodeName(opcode),
      count,
    ]),
    [
      ['LOOKUP', 1],
      ['READ', 2],
    ],
  )
})
