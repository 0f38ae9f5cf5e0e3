import t from 'tap'
import { pack, unpack } from 'msgpackr'
import { DendroError } from '../errors.ts'
import { MsgpackReader } from './msgpack-reader.ts'
import { MsgpackWriter } from './msgpack-writer.ts'

const hex = (write: (writer: MsgpackWriter) => void): string => {
  const writer = new MsgpackWriter(1)
  write(writer)
  return writer.finish().toString('hex')
}

const reader = (text: string) =>
  new MsgpackReader(Buffer.from(text, 'hex'), 'value')

const INTEGERS: readonly [number, string][] = [
  [0, '00'],
  [127, '7f'],
  [128, 'cc80'],
  [255, 'ccff'],
  [256, 'cd0100'],
  [65535, 'cdffff'],
  [65536, 'ce00010000'],
  [4294967295, 'ceffffffff'],
  [4294967296, 'cf0000000100000000'],
  [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
  [-1, 'ff'],
  [-32, 'e0'],
  [-33, 'd0df'],
  [-128, 'd080'],
  [-129, 'd1ff7f'],
  [-32768, 'd18000'],
  [-32769, 'd2ffff7fff'],
  [-2147483648, 'd280000000'],
  [-2147483649, 'd3ffffffff7fffffff'],
  [-Number.MAX_SAFE_INTEGER, 'd3ffe0000000000001'],
]

t.test('integers have one form each', async t => {
  for (const [value, bytes] of INTEGERS) {
    t.equal(
      hex(writer => writer.int(value)),
      bytes,
    )
    t.equal(reader(bytes).int(), value)
  }
})

t.test('other programs read what is written', async t => {
  for (const [value, bytes] of INTEGERS)
    t.equal(Number(unpack(Buffer.from(bytes, 'hex')) as number), value)
  const writer = new MsgpackWriter()
  writer.array(4)
  writer.nil()
  writer.bool(true)
  writer.text('größe')
  writer.binary('\x00\xff')
  const value = unpack(writer.finish()) as [null, boolean, string, Buffer]
  t.same(value.slice(0, 3), [null, true, 'größe'])
  t.same([...value[3]], [0, 255])
})

t.test('bytes and text round-trip at every length class', async t => {
  for (const length of [0, 1, 31, 32, 255, 256, 65535, 65536]) {
    const text = 'x'.repeat(length)
    const writer = new MsgpackWriter(1)
    writer.binary(text)
    writer.text(text)
    writer.bytes(Buffer.from(text))
    const back = new MsgpackReader(writer.finish(), 'value')
    t.equal(back.binary(1 << 20), text)
    t.equal(back.text(1 << 20), text)
    t.equal(back.bytes(1 << 20).toString(), text)
    t.ok(back.isAtEnd())
  }
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const writer = new MsgpackWriter()
  writer.binary(all.toString('latin1'))
  t.same(new MsgpackReader(writer.finish(), 'v').bytes(256), all)
})

const REFUSED: readonly [string, string, (r: MsgpackReader) => unknown][] = [
  ['a long form of 1', 'cc01', r => r.uint()],
  ['a long form of 255', 'cd00ff', r => r.uint()],
  ['a long form of 65535', 'ce0000ffff', r => r.uint()],
  ['a long form of 2^32-1', 'cf00000000ffffffff', r => r.uint()],
  ['an integer above 2^53-1', 'cf0020000000000000', r => r.uint()],
  ['a signed form of a positive', 'd001', r => r.int()],
  ['a long form of -1', 'd0ff', r => r.int()],
  ['a long form of -33', 'd1ffdf', r => r.int()],
  ['an integer below -2^53', 'd3ff00000000000000', r => r.int()],
  ['an integer above the limit', '05', r => r.uint(4)],
  ['a float', 'cb3ff0000000000000', r => r.int()],
  ['a map', '80', r => r.array(9)],
  ['a long form of a short array', 'dc0001c0', r => r.array(9)],
  ['an array longer than the input', 'dd7fffffff', r => r.array(2 ** 32)],
  ['an array above the limit', '93c0c0c0', r => r.array(2)],
  ['a byte string longer than the input', 'c67fffffff', r => r.binary(2 ** 32)],
  ['a byte string above the limit', 'c403616263', r => r.binary(2)],
  ['a long form of short bytes', 'c5000161', r => r.binary(9)],
  ['text that is not UTF-8', 'a1ff', r => r.text(9)],
  ['a long form of short text', 'd90161', r => r.text(9)],
  ['an empty input', '', r => r.uint()],
  ['bytes after the end', '0000', r => (r.uint(), r.expectEnd())],
]

t.test('what is not canonical is refused', async t => {
  for (const [what, bytes, read] of REFUSED)
    t.throws(() => read(reader(bytes)), { code: 'CORRUPT_OBJECT' }, what)
})

t.test(
  'random bytes give an error of ours or a value, nothing else',
  async t => {
    const seed = Date.now() & 0xffff
    t.comment(`seed ${seed}`)
    let state = seed | 1
    const random = () =>
      (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8
    let surprises = 0
    for (let i = 0; i < 3000; i++) {
      const bytes = Buffer.from(Array.from({ length: random() % 24 }, random))
      const r = new MsgpackReader(bytes, 'fuzz')
      for (const read of [
        () => r.int(),
        () => r.array(100),
        () => r.binary(100),
        () => r.text(100),
      ])
        try {
          read()
        } catch (error) {
          if (!(error instanceof DendroError)) surprises++
        }
    }
    t.equal(surprises, 0)
  },
)

t.test('msgpackr writes the same bytes for the same value', async t => {
  const writer = new MsgpackWriter()
  writer.array(3)
  writer.uint(5)
  writer.text('abc')
  writer.int(-70000)
  t.same(writer.finish(), pack([5, 'abc', -70000]))
})
