import t from 'tap'
import { Burst } from './burst.ts'

const REQUESTS = 32

const setUp = () => {
  const told: boolean[] = []
  let now = 1000
  const burst = new Burst(
    isOn => told.push(isOn),
    () => now,
  )
  /** Requests, each so many milliseconds behind the one before. */
  const send = (count: number, apartMs = 0.1) => {
    for (let i = 0; i < count; i++) {
      now += apartMs
      burst.arrived()
    }
  }
  return { told, burst, send }
}

t.test('many requests at once are a burst, and silence ends it', async t => {
  const { told, burst, send } = setUp()
  t.equal(burst.patienceMs, -1, 'nothing to wait for')
  send(REQUESTS * 2)
  t.strictSame(told, [true])
  t.ok(burst.patienceMs > 0)
  send(REQUESTS * 10)
  t.strictSame(told, [true], 'told once')
  burst.quiet()
  burst.quiet()
  t.strictSame(told, [true, false])
  t.equal(burst.patienceMs, -1)
})

t.test('a few requests now and then are none, and end one', async t => {
  const { told, send } = setUp()
  send(REQUESTS * 4, 1)
  t.strictSame(told, [])
  send(REQUESTS * 2)
  t.strictSame(told, [true])
  send(REQUESTS * 2, 1)
  t.strictSame(told, [true, false])
})
