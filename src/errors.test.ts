import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  DendroError,
  ERROR_CODES,
  errnoOf,
  exitStatusOf,
  wrapSystemError,
} from './errors.ts'

t.test('docs/errors.md has a row for each code, and no other', async t => {
  const rows = readFileSync('docs/errors.md', 'utf8').matchAll(
    /^\| `([A-Z_]+)` \| (\d+) \|/gm,
  )
  const documented = new Map(
    [...rows].map(([, code, status]) => [code, Number(status)]),
  )
  t.same([...documented.keys()].sort(), [...ERROR_CODES].sort())
  for (const code of ERROR_CODES)
    t.equal(
      exitStatusOf(new DendroError(code, 'x')),
      documented.get(code),
      code,
    )
})

t.test(
  'system errors become errors of ours that name what was done',
  async t => {
    const system = Object.assign(
      new Error('ENOSPC: no space left on device, write'),
      { code: 'ENOSPC' },
    )
    const wrapped = wrapSystemError('cannot write x', system)
    t.equal(wrapped.code, 'NO_SPACE')
    t.equal(wrapped.message, 'cannot write x: no space left on device')
    t.equal(errnoOf(wrapped), 'ENOSPC')
    t.equal(wrapSystemError('again', wrapped), wrapped)
    t.equal(wrapSystemError('x', new Error('odd')).code, 'IO_ERROR')
    t.equal(exitStatusOf(new Error('odd')), 1)
  },
)
