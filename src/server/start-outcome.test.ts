import t from 'tap'
import { DendroError, errorLine } from '../errors.ts'
import {
  decodeOutcome,
  encodeOutcome,
  errorOfOutcome,
  failureOf,
  READY,
} from './start-outcome.ts'
import type { StartOutcome } from './start-outcome.ts'

const TABLE: readonly [StartOutcome, string][] = [
  [READY, 'ready'],
  [
    {
      kind: 'bind',
      options: 'ro,nosuid',
      source: '/run/v',
      target: '/mnt/a b',
    },
    'bind ro,nosuid /run/v///mnt/a b.',
  ],
  [
    { kind: 'bind', options: 'ro', source: '/v', target: '/ends with\n' },
    'bind ro /v///ends with\n.',
  ],
  [
    { kind: 'failed', code: 'MOUNT_BUSY', message: 'cannot mount: no' },
    'failed MOUNT_BUSY cannot mount: no',
  ],
  [
    { kind: 'failed', code: 'IO_ERROR', message: 'cannot', hint: 'try again' },
    'failed IO_ERROR cannot\ttry again',
  ],
  [{ kind: 'exit', status: 3 }, 'exit 3'],
]

t.test('each outcome has a line, and the line is read back', async t => {
  for (const [outcome, line] of TABLE) {
    t.equal(encodeOutcome(outcome), line)
    t.same(decodeOutcome(line), outcome)
  }
})

t.test('what is no such line is not read', async t => {
  for (const line of [
    '',
    'Ready',
    'ready ',
    'bind ro /a/b',
    'failed NO_SUCH_CODE what',
    'failed IO_ERROR',
    'failed IO_ERROR a\tb\tc',
    'exit',
    'exit -1',
    '{"code":"IO_ERROR","message":"older programs wrote this"}',
  ])
    t.equal(decodeOutcome(line), undefined, JSON.stringify(line))
})

t.test('a message stays one line, however its paths are named', async t => {
  const error = new DendroError('NOT_FOUND', 'cannot open /a\nb\tc: gone', {
    hint: 'look at /d\n',
  })
  const line = encodeOutcome(failureOf(error))
  t.equal(line.split('\t').length, 2)
  t.notMatch(line, /\n/)
  const back = errorOfOutcome(decodeOutcome(line), '/log')
  t.equal(back.code, 'NOT_FOUND')
  t.equal(errorLine(back), errorLine(error), 'a person is told the same')
})

t.test('an error that is not ours says what the server did', async t => {
  t.match(failureOf(new Error('no memory')), {
    code: 'MOUNT_FAILED',
    message: 'cannot serve: no memory',
  })
})

t.test('who started it is pointed to the log', async t => {
  const failed = decodeOutcome('failed IO_ERROR cannot serve: disk')
  t.equal(errorOfOutcome(failed, '/l').hint, 'its log is /l')
  t.match(errorOfOutcome(undefined, '/l'), {
    code: 'MOUNT_FAILED',
    message: 'cannot mount: the server ended at once',
    hint: 'its log is /l',
  })
})
