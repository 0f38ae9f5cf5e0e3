import t from 'tap'
import { Exchange } from './exchange.ts'
import * as kernel from './layout.ts'
import { BODY_AT } from './reply.ts'
import { SetAside } from './set-aside.ts'

const write = (bytes: Buffer, opcode: number, unique: bigint): number => {
  bytes.writeUInt32LE(80, kernel.IN_LEN)
  bytes.writeUInt32LE(opcode, kernel.IN_OPCODE)
  bytes.writeBigUInt64LE(unique, kernel.IN_UNIQUE)
  return 80
}

const uniqueOf = (exchange: Exchange): bigint =>
  exchange.request.bytes.readBigUInt64LE(kernel.IN_UNIQUE)

t.test('two exchanges share nothing', async t => {
  const [one, other] = [256, 256].map(
    bytes => new Exchange(Buffer.alloc(bytes)),
  ) as [Exchange, Exchange]
  one.accept(write(one.request.bytes, kernel.FUSE_READ, 7n), 0)
  t.equal(one.answerWith(Buffer.from('body')), 4)
  one.reply.fill(1, BODY_AT, BODY_AT + 8)
  other.accept(write(other.request.bytes, kernel.FUSE_IOCTL, 9n), 0)
  other.reply.fill(2, BODY_AT, BODY_AT + 8)
  other.page.reset(100, true)
  t.equal(other.body, undefined)
  t.equal(one.request.opcode, kernel.FUSE_READ)
  t.equal(uniqueOf(one), 7n)
  t.equal(one.body?.length, 1)
  t.equal(one.reply[BODY_AT], 1)
})

t.test('requests set aside come back whole and in order', async t => {
  const aside = new SetAside()
  const exchange = new Exchange(Buffer.alloc(1024))
  t.notOk(aside.shift(exchange))
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 5; i++) {
      const length = write(exchange.request.bytes, kernel.FUSE_READ, BigInt(i))
      exchange.accept(length, i)
      aside.push(exchange)
    }
    exchange.request.bytes.fill(0)
    for (let i = 0; i < 5; i++) {
      t.notOk(aside.isEmpty)
      t.ok(aside.shift(exchange))
      t.equal(uniqueOf(exchange), BigInt(i))
      t.equal(exchange.resends, i)
      t.equal(exchange.request.lengthBytes, 80)
    }
    t.ok(aside.isEmpty)
  }
})

t.test('one that is longer than usual is kept whole', async t => {
  const aside = new SetAside()
  const exchange = new Exchange(Buffer.alloc(1024, 3))
  exchange.request.bytes.writeUInt32LE(1000, kernel.IN_LEN)
  t.ok(exchange.accept(1000, 0))
  aside.push(exchange)
  exchange.request.bytes.fill(0)
  aside.shift(exchange)
  t.equal(exchange.request.bytes[999], 3)
})
