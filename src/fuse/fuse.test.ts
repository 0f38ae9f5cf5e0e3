import t from 'tap'
import * as kernel from './layout.ts'
import { encodeInvalidation } from './notify.ts'
import { DirectoryPage } from './records.ts'
import {
  encodeDevice,
  writeAttr,
  writeEntryOut,
  writeInitOut,
  writeNegativeEntry,
} from './reply.ts'
import { Request } from './request.ts'

const attributes = {
  inoHigh: 0x89abcdef,
  inoLow: 0x01234567,
  mode: 0o100644,
  nlink: 2,
  uid: 3,
  gid: 4,
  sizeBytes: 2 ** 40 + 5,
  blocks: 6,
  mtimeSec: -2,
  mtimeNsec: 999_999_999,
  rdevMajor: 0,
  rdevMinor: 0,
}

/** A LOOKUP of "etc" in node 7, as the kernel writes it. */
const lookup = (): Buffer => {
  const bytes = Buffer.alloc(44)
  bytes.writeUInt32LE(44, 0)
  bytes.writeUInt32LE(kernel.FUSE_LOOKUP, 4)
  bytes.writeBigUInt64LE(0x8000000000000006n, 8)
  bytes.writeBigUInt64LE(7n, 16)
  bytes.write('etc\0', 40)
  return bytes
}

t.test('requests', async t => {
  const request = new Request(lookup())
  t.ok(request.accept(44))
  t.equal(request.opcode, kernel.FUSE_LOOKUP)
  t.equal(request.nodeId, 7)
  t.equal(request.string(0), 'etc')
  t.notOk(request.accept(43), 'the length must match')
  t.notOk(request.accept(10))
})

t.test('a request that is cut short or too large is refused', async t => {
  const bytes = lookup()
  bytes.writeUInt32LE(42, 0)
  const request = new Request(bytes)
  t.ok(request.accept(42))
  t.throws(() => request.string(0), RangeError)
  t.throws(() => request.u32(0), RangeError)
  t.throws(() => request.u64(0), RangeError)
  bytes.writeBigUInt64LE(2n ** 60n, 16)
  t.throws(() => request.nodeId, RangeError)
})

t.test('BATCH_FORGET', async t => {
  const bytes = Buffer.alloc(40 + 8 + 32)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE(2, 40)
  ;[5n, 1n, 6n, 300n].forEach((value, i) =>
    bytes.writeBigUInt64LE(value, 48 + i * 8),
  )
  const request = new Request(bytes)
  request.accept(bytes.length)
  const told: number[][] = []
  request.forgets((nodeId, count) => told.push([nodeId, count]))
  t.same(told, [
    [5, 1],
    [6, 300],
  ])
})

t.test('attributes stand where struct fuse_attr has them', async t => {
  const out = Buffer.alloc(88, 0xee)
  writeAttr(out, 0, attributes)
  t.equal(out.readBigUInt64LE(0), 0x89abcdef01234567n)
  t.equal(out.readBigUInt64LE(8), 2n ** 40n + 5n)
  t.equal(out.readBigUInt64LE(16), 6n)
  for (const at of [24, 32, 40]) t.equal(out.readBigInt64LE(at), -2n)
  for (const at of [48, 52, 56]) t.equal(out.readUInt32LE(at), 999_999_999)
  t.same(
    [60, 64, 68, 72, 76, 84].map(at => out.readUInt32LE(at)),
    [0o100644, 2, 3, 4, 0, 0],
  )
})

t.test('times of all centuries', async t => {
  const out = Buffer.alloc(88)
  for (const sec of [0, 1, -1, 2 ** 31, 2 ** 33 + 7, -(2 ** 33)]) {
    writeAttr(out, 0, { ...attributes, mtimeSec: sec })
    t.equal(out.readBigInt64LE(32), BigInt(sec))
  }
})

t.test('device numbers use the kernel encoding', async t => {
  t.equal(encodeDevice(1, 3), 0x103)
  t.equal(encodeDevice(7, 300), 0x10072c)
  t.equal(encodeDevice(0xfff, 0xfffff), 0xffffffff)
})

t.test('entries', async t => {
  const out = Buffer.alloc(128)
  writeEntryOut(out, 0, { nodeId: 9, generation: 2, attributes })
  t.equal(out.readBigUInt64LE(0), 9n)
  t.equal(out.readBigUInt64LE(8), 2n)
  t.ok(out.readBigUInt64LE(16) > 10n ** 9n)
  writeNegativeEntry(out, 0)
  t.equal(out.readBigUInt64LE(0), 0n)
  t.ok(out.readBigUInt64LE(16) > 10n ** 9n, 'absence is cached')
})

t.test('INIT', async t => {
  const out = Buffer.alloc(64)
  writeInitOut(out, 0, {
    minor: 45,
    maxReadahead: 1 << 20,
    flags: 0x43c62001,
    flags2: 0x80,
    maxBackground: 64,
    maxWrite: 4096,
    maxPages: 256,
  })
  t.same(
    [0, 4, 8, 12, 20, 24, 32].map(at => out.readUInt32LE(at)),
    [7, 45, 1 << 20, 0x43c62001, 4096, 1, 0x80],
  )
  t.same(
    [16, 18, 28].map(at => out.readUInt16LE(at)),
    [64, 48, 256],
  )
})

t.test('directory pages hold whole records, padded to 8', async t => {
  const out = Buffer.alloc(16 + 1000, 0xee)
  const page = new DirectoryPage(out, 16)
  page.reset(400, true)
  let resolved = 0
  const listed = { inoHigh: 1, inoLow: 2, mode: 0o100644 }
  const add = (name: string) =>
    page.add(name, 5, listed, () => {
      resolved++
      return { nodeId: 9, generation: 0, attributes }
    })
  t.ok(add('name'))
  t.equal(page.lengthBytes, 160)
  t.ok(page.add('.', 6, { inoHigh: 0, inoLow: 1, mode: 0o40755 }))
  t.equal(page.lengthBytes, 320)
  t.notOk(add('full'))
  t.equal(resolved, 1, 'what does not fit is not looked up')
  t.equal(out.readBigUInt64LE(16), 9n)
  t.equal(out.readUInt32LE(16 + 144), 4)
  t.equal(out.toString('latin1', 16 + 152, 16 + 156), 'name')
  t.equal(out.readBigUInt64LE(16 + 160), 0n, 'no attributes')
  page.reset(400, false)
  t.ok(add('\xff'))
  t.equal(page.lengthBytes, 32)
})

t.test('notifications', async t => {
  const entry = encodeInvalidation({ kind: 'entry', parent: 7, name: 'ab' })
  t.equal(entry.length, 16 + 16 + 3)
  t.equal(entry.readUInt32LE(0), entry.length)
  t.equal(entry.readInt32LE(4), kernel.FUSE_NOTIFY_INVAL_ENTRY)
  t.equal(entry.readUInt32LE(24), 2)
  const inode = encodeInvalidation({ kind: 'inode', nodeId: 7 })
  t.equal(inode.length, 40)
  t.equal(inode.readBigUInt64LE(16), 7n)
})
