import { spawnSync } from 'node:child_process'
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
  t.equal(latin1ToDisplay('caf\xe9'), "$'caf\\351'")
  t.equal(latin1ToDisplay('a\nb\\c'), "$'a\\nb\\\\c'")
  t.equal(latin1ToDisplay("it's \xff"), "$'it\\'s \\377'")
  t.equal(latin1ToDisplay(textToLatin1('\u009b1m')), "$'\\302\\2331m'")
  t.equal(
    latin1ToDisplay(textToLatin1('\u202etxt.✓')),
    "$'\\342\\200\\256txt.✓'",
  )
})

t.test('only what is quoted begins as a quoted name does', async t => {
  t.equal(latin1ToDisplay("$'a'"), "$'$\\'a\\''")
  t.equal(latin1ToDisplay("it's $x"), "it's $x")
})

t.test('a shell gives back what is shown quoted', async t => {
  const bytes = Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1))
  const names = [bytesToLatin1(bytes), "$'", 'a\n', '\xe9\xe9', '\x011\x077']
  for (const name of names) {
    const script = `printf %s ${latin1ToDisplay(name)}`
    const { stdout } = spawnSync('bash', ['-c', script])
    t.equal(bytesToLatin1(stdout), name)
  }
})
