import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { mergeNewestFirst, OperationLog } from './operation-log.ts'
import type { Operation } from './operation-log.ts'

const base = mkdtempSync(join(tmpdir(), 'dendro-operations-'))
t.teardown(() => rmSync(base, { recursive: true, force: true }))

const texts = (list: readonly Operation[]) => list.map(({ text }) => text)

t.test(
  'two logs that count together have one order, whatever the clock',
  async t => {
    const one = new OperationLog(join(base, 'one'))
    const other = new OperationLog(join(base, 'other'), join(base, 'one'))
    const now = Date.now
    t.teardown(() => (Date.now = now))
    let time = 2_000_000_000_000
    Date.now = () => (time -= 1_000_000)
    one.append('ref', 'first', {})
    other.append('deploy', 'second', {})
    one.append('ref', 'third', {})
    one.append('ref', 'fourth', {})
    other.append('deploy', 'fifth', {})
    const merged = mergeNewestFirst(one.list(), other.list())
    t.same(texts(merged), ['fifth', 'fourth', 'third', 'second', 'first'])
    // Its file is lost: no number comes twice.
    rmSync(join(base, 'one', 'sequence'))
    other.append('deploy', 'sixth', {})
    t.equal(other.list().at(-1)?.sequence, 6)
  },
)

t.test(
  'entries of older programs are older, and in the order of the clock',
  async t => {
    const entry = (number: number, time: string, text: string): Operation => ({
      number,
      time,
      kind: 'ref',
      text,
    })
    const merged = mergeNewestFirst(
      [entry(1, '2026-01-01', 'a'), entry(2, '2026-01-03', 'c')],
      [
        entry(1, '2026-01-02', 'b'),
        { ...entry(2, '2001-01-01', 'd'), sequence: 1 },
      ],
    )
    t.same(texts(merged), ['d', 'c', 'b', 'a'])
  },
)

t.test('an operation can be amended; a damaged one is left alone', async t => {
  const log = new OperationLog(join(base, 'amended'))
  const number = log.append('etc reset', 'a and b', { paths: ['a', 'b'] })
  log.amend(number, { paths: ['a'] })
  t.match(log.list(), [{ number, text: 'a and b', paths: ['a'] }])
  writeFileSync(join(base, 'amended', '00000001.json'), 'damaged')
  log.amend(number, { paths: [] })
  t.same(log.list(), [])
})
