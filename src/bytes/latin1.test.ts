import t from 'tap'
import {
  bytesToLatin1,
  compareLatin1,
  latin1ToBytes,
  latin1ToDisplay,
  textToLatin1,
} from './latin1.ts'

t.test('all 256 byte values round-trip', async t => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  t.same(latin1ToBytes(bytesToLatin1(bytes)), bytes)
})

t.test('order is byte order', async t => {
  t.ok(compareLatin1('a', '\xff') < 0)
  t.ok(compareLatin1('b', 'a') > 0)
  t.equal(compareLatin1('a', 'a'), 0)
})

t.test('people see UTF-8 where it is, and escapes where it is not', async t => {
  t.equal(latin1ToDisplay(textToLatin1('größe ✓')), 'größe ✓')
  t.equal(latin1ToDisplay('caf\xe9'), 'caf\\xe9')
  t.equal(latin1ToDisplay('a\nb\\c'), 'a\\x0ab\\\\c')
})
