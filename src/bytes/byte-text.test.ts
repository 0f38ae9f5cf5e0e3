import t from 'tap'
import {
  bytesToText,
  isEscaped,
  mayHaveLost,
  textToBytes,
} from './byte-text.ts'

const of = (...bytes: number[]): Buffer => Buffer.from(bytes)

t.test('UTF-8 is its text', async t => {
  for (const text of ['', 'a', 'größe ✓', '\u{1f4be}', '\0', '\ufffd']) {
    t.equal(bytesToText(Buffer.from(text)), text)
    t.same(textToBytes(text), Buffer.from(text))
    t.notOk(isEscaped(text))
  }
})

t.test('other bytes are escaped one by one', async t => {
  t.equal(bytesToText(of(0x63, 0xe9)), 'c\udce9')
  t.equal(bytesToText(of(0xc3, 0xa9, 0xc3)), 'é\udcc3')
  // Overlong, a surrogate, beyond Unicode, cut short.
  for (const bytes of [
    of(0xc0, 0xaf),
    of(0xed, 0xb3, 0xa9),
    of(0xf5, 0x80, 0x80, 0x80),
    of(0xf0, 0x9f, 0x92),
  ])
    t.match(bytesToText(bytes), /^[\udc80-\udcff]+$/)
})

t.test('all bytes round-trip, in pairs and in JSON', async t => {
  for (let a = 0; a < 256; a++)
    for (let b = 0; b < 256; b++) {
      const bytes = of(a, b)
      const text = JSON.parse(JSON.stringify(bytesToText(bytes))) as string
      if (!textToBytes(text).equals(bytes)) t.fail(`${a} ${b}`)
    }
})

t.test('random bytes round-trip', async t => {
  let seed = 1
  const next = (): number => (seed = (seed * 48271) % 0x7fffffff) >> 8
  for (let i = 0; i < 2000; i++) {
    const bytes = of(...Array.from({ length: next() % 24 }, next))
    const found = textToBytes(bytesToText(bytes))
    if (!found.equals(bytes)) t.fail(bytes.toString('hex'))
  }
})

t.test('what Node lost is told from what it did not', async t => {
  t.ok(mayHaveLost(of(0x63, 0xe9).toString()))
  t.notOk(mayHaveLost('café'))
})
