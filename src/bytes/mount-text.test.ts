import t from 'tap'
import { escapeOption, unescapeField, unescapeOption } from './mount-text.ts'

t.test('a value in an option string', async t => {
  t.equal(escapeOption('/a,b\\c:d'), '/a\\,b\\\\c:d')
  t.equal(escapeOption('/a,b\\c:d', 'colon'), '/a\\,b\\\\c\\:d')
  t.equal(escapeOption('/plain'), '/plain')
  for (const value of ['', ',', '\\', '\\\\,:', 'a\\\nb', ':,:'])
    for (const colon of [undefined, 'colon'] as const)
      t.equal(unescapeOption(escapeOption(value, colon)), value)
})

t.test('a field of a mount table', async t => {
  t.equal(unescapeField('/a\\040b\\011c\\012d\\134e'), '/a b\tc\nd\\e')
  // One pass: what comes out is not read again; three digits, no fewer.
  t.equal(unescapeField('\\134040'), '\\040')
  t.equal(unescapeField('\\04'), '\\04')
  t.equal(unescapeField('\xe9'), '\xe9')
})
