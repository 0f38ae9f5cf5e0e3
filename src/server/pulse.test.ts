import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Pulse } from './pulse.ts'

const LONGER_THAN_A_LOOK_MS = 350

const makeThread = () => {
  const thread = {
    requests: 0,
    inHand: false,
    asked: 0,
    answer: (): void => undefined,
    alive: 0,
    check: (): void => undefined,
  }
  const pulse = new Pulse({
    received: () => thread.requests,
    isInHand: () => thread.inHand,
    ask: () => {
      thread.asked++
      return new Promise<void>(done => (thread.answer = done))
    },
  })
  thread.check = () => pulse.check(() => thread.alive++)
  return thread
}

t.test('a thread that answers is alive, once for each question', async t => {
  const thread = makeThread()
  for (let i = 1; i <= 2; i++) {
    thread.check()
    thread.check()
    t.equal(thread.asked, i)
    thread.answer()
    await sleep(1)
    t.equal(thread.alive, i)
  }
})

t.test('one that does not answer is not', async t => {
  const thread = makeThread()
  thread.requests = 9
  thread.check()
  await sleep(LONGER_THAN_A_LOOK_MS)
  t.equal(thread.alive, 0)
  thread.answer()
  await sleep(1)
  t.equal(thread.alive, 1)
})

t.test('one that receives requests, or answers one, is', async t => {
  const busy = makeThread()
  busy.check()
  busy.requests++
  const long = makeThread()
  long.check()
  long.inHand = true
  await sleep(LONGER_THAN_A_LOOK_MS)
  t.equal(busy.alive, 1)
  t.equal(long.alive, 1)
  busy.answer()
  await sleep(1)
  t.equal(busy.alive, 1, 'the late answer counts for nothing')
})
