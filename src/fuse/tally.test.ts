import t from 'tap'
import * as kernel from './layout.ts'
import {
  COUNTERS,
  makeCounters,
  outcomesOf,
  outstandingIn,
  REFUSED,
  Tally,
} from './tally.ts'

t.test('what came is what became of it', async t => {
  const tally = new Tally(makeCounters())
  t.equal(tally.counters.length, COUNTERS)
  for (let i = 0; i < 4; i++) tally.received(kernel.FUSE_READ)
  tally.received(kernel.FUSE_FORGET)
  // One that this program does not know is counted with the last.
  tally.received(4096)
  t.equal(tally.counters[kernel.MAX_COUNTED_OPCODE], 1)
  t.equal(outstandingIn(tally.counters), 6)
  tally.answered()
  tally.answered()
  tally.unwanted()
  tally.forgotten()
  t.equal(outstandingIn(tally.counters), 2)
  tally.abandon()
  t.same(outcomesOf(tally.counters), {
    received: 6,
    answered: 2,
    refused: 0,
    forgotten: 1,
    unwanted: 1,
    abandoned: 2,
  })
  tally.abandon()
  t.equal(outcomesOf(tally.counters).abandoned, 2, 'nothing is left')
  tally.received(kernel.FUSE_IOCTL)
  tally.counters[REFUSED] = 1
  t.equal(outstandingIn(tally.counters), 0)
})
