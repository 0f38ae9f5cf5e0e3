import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { wordsOf } from './errno-words.ts'
import {
  DendroError,
  ERROR_CODES,
  errnoOf,
  errorLine,
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

t.test('an error is one line: what, why and what to do', async t => {
  const thrown = (work: () => unknown): unknown => {
    try {
      return work()
    } catch (error) {
      return error
    }
  }
  t.equal(
    errorLine(thrown(() => readFileSync('/proc/self/absent'))),
    'cannot open /proc/self/absent: no such file or directory (check the path)',
  )
  t.equal(
    errorLine(thrown(() => readdirSync('/proc/self/status'))),
    'cannot list /proc/self/status: not a directory (check the path)',
  )
  t.equal(
    errorLine(
      new DendroError('NOT_FOUND', 'cannot find /a\n\x1b[m: it is not there'),
    ),
    "cannot find $'/a\\n\\033[m': it is not there",
  )
  t.equal(
    errorLine(
      wrapSystemError(
        'cannot do x',
        thrown(() => readFileSync('/')),
        'y',
      ),
    ),
    'cannot do x: it is a directory (y)',
  )
  t.equal(
    errorLine(new RangeError('odd')),
    'internal error: odd (--debug shows where)',
  )
})

t.test('a path without end is shown by both its ends', async t => {
  const path = `/begin${'/d'.repeat(50_000)}/end`
  const line = errorLine(
    new DendroError('LIMIT_EXCEEDED', `cannot commit ${path}: it is too deep`),
  )
  t.match(line, /^cannot commit \/begin\/d.*\.\.\..*\/d\/end: it is too deep$/)
  t.ok(line.length < 700)
})

t.test('the words for an errno are not those of the runtime', async t => {
  for (const errno of [
    'EACCES',
    'EPERM',
    'EROFS',
    'ENOSPC',
    'EDQUOT',
    'ENOTDIR',
    'EISDIR',
    'ELOOP',
    'ENAMETOOLONG',
    'EMFILE',
    'ENOMEM',
    'EIO',
    'ENOTSUP',
  ]) {
    const { why, hint, code } = wordsOf(errno) ?? {
      why: '',
      hint: '',
      code: '',
    }
    t.ok(
      ERROR_CODES.some(known => known === code),
      errno,
    )
    t.match(why, /^[a-z]/, errno)
    t.notMatch(why, /E[A-Z]{2,}/, errno)
    t.ok(hint.length > 0, errno)
  }
})
