import t from 'tap'
import type { Steps } from '../steps.ts'
import { Scheduler } from './scheduler.ts'
import type { Arrival, SchedulerOptions } from './scheduler.ts'

/** A request of the tests: a name; with steps it is `READ`-like. */
interface Job {
  readonly name: string
  /** How many steps it takes; undefined: none. */
  readonly steps?: number
  /** Called at each step. */
  readonly onStep?: () => void
}

interface Slot {
  job: Job | undefined
}

type Options = Partial<SchedulerOptions<Slot>>

/** What comes, in this order; behind the last one the source ends. */
const setUp = (
  script: (Job | Exclude<Arrival, 'request'>)[],
  wishes: Options = {},
) => {
  const log: string[] = []
  const waits: [spin: number, timeoutMs: number][] = []
  const inHand: Slot = { job: undefined }
  const between: Slot = { job: undefined }
  const waiting: Job[] = []
  const stepsOf = function* ({ name, steps = 0, onStep }: Job): Steps<void> {
    for (let i = 0; i < steps; i++) {
      log.push(`${name}.${i}`)
      onStep?.()
      yield
    }
  }
  const scheduler: Scheduler<Slot> = new Scheduler(inHand, between, {
    source: {
      receive: (slot, spin, timeoutMs) => {
        waits.push([spin, timeoutMs])
        const next = script.shift() ?? 'end'
        if (typeof next === 'string') return next
        slot.job = next
        return 'request'
      },
      isInSteps: ({ job }) => job?.steps !== undefined,
      serve: slot => {
        const { job } = slot
        if (job === undefined) throw new Error('nothing to serve')
        if (slot === inHand && job.steps !== undefined)
          scheduler.through(stepsOf(job))
        log.push(job.name)
        slot.job = undefined
      },
      clear: slot => {
        slot.job = undefined
      },
    },
    aside: {
      get isEmpty() {
        return waiting.length === 0
      },
      push: ({ job }) => {
        if (job !== undefined) waiting.push(job)
      },
      shift: slot => {
        slot.job = waiting.shift()
        return slot.job !== undefined
      },
    },
    spinMicros: () => 50,
    mayServeBetween: () => true,
    onWake: () => false,
    ...wishes,
  })
  return { scheduler, script, log, waits }
}

t.test('requests are served in their order, to the end', async t => {
  const { scheduler, log, waits } = setUp([{ name: 'a' }, { name: 'b' }])
  t.equal(scheduler.run(), 'end')
  t.same(log, ['a', 'b'])
  t.same(waits[0], [50, -1], 'looked for, then slept for')
})

t.test('between two steps of one what else came is served', async t => {
  const { scheduler, log } = setUp([
    { name: 'long', steps: 3 },
    { name: 'short' },
    'nothing',
    { name: 'late', steps: 1 },
    { name: 'last' },
    'nothing',
  ])
  scheduler.run()
  t.same(log, [
    'long.0',
    'short',
    'long.1',
    'last',
    'long.2',
    'long',
    'late.0',
    'late',
  ])
})

t.test('what is in steps waits its turn, first come first served', async t => {
  const { scheduler, log } = setUp([
    { name: 'a', steps: 1 },
    { name: 'b', steps: 1 },
    { name: 'c', steps: 1 },
    'nothing',
    'nothing',
    { name: 'd', steps: 1 },
    'nothing',
  ])
  scheduler.run()
  t.same(
    log.filter(name => !name.includes('.')),
    ['a', 'b', 'c', 'd'],
  )
})

t.test('only so many are served between two steps', async t => {
  const others = Array.from({ length: 20 }, (_, i) => ({ name: `${i}` }))
  const { scheduler, log } = setUp([{ name: 'long', steps: 2 }, ...others])
  scheduler.run()
  t.equal(log.indexOf('long.1'), 1 + 16)
  t.equal(log.length, 23)
})

t.test(
  'where the source may not be asked nothing is served between',
  async t => {
    const { scheduler, log, waits } = setUp(
      [{ name: 'long', steps: 2 }, { name: 'short' }],
      { mayServeBetween: () => false },
    )
    scheduler.run()
    t.same(log, ['long.0', 'long.1', 'long', 'short'])
    t.equal(waits.length, 3)
  },
)

t.test('a source that breaks ends what is in hand', async t => {
  const script: (Job | 'nothing')[] = [{ name: 'long', steps: 1 }]
  const { scheduler, log } = setUp(script)
  script.shift = () => {
    const first = script.splice(0, 1)[0]
    if (first === undefined) throw new Error('broken')
    return first
  }
  t.throws(() => scheduler.run(), { message: /cannot serve: .*broken/ })
  t.same(log, ['long.0'], 'it is not answered')
})

t.test('a call is answered, and may stop the serving', async t => {
  let calls = 0
  const { scheduler, log, script } = setUp(
    [{ name: 'a' }, 'call', { name: 'b' }, 'call', { name: 'c' }],
    { onWake: () => ++calls === 2 },
  )
  t.equal(scheduler.run(), 'stopped')
  t.same(log, ['a', 'b'])
  t.equal(script.length, 1)
})

t.test('a call is answered though requests come without a pause', async t => {
  let isCalled = false
  const { scheduler, log } = setUp(
    [{ name: 'a', steps: 1, onStep: () => (isCalled = true) }, { name: 'b' }],
    { isCalled: () => isCalled, onWake: () => true },
  )
  t.equal(scheduler.run(), 'stopped')
  t.same(log, ['a.0', 'b', 'a'])
})

t.test(
  'while nothing comes, work is prepared before the thread sleeps',
  async t => {
    let left = 2
    const { scheduler, log, waits } = setUp(
      ['nothing', 'nothing', 'nothing', { name: 'a' }],
      { idle: () => left-- > 0 },
    )
    scheduler.run()
    t.same(log, ['a'])
    t.same(waits.slice(0, 4), [
      [-1, -1],
      [-1, -1],
      [-1, -1],
      [50, -1],
    ])
  },
)

t.test('what follows from an answer is done in steps behind it', async t => {
  let isDue = false
  const told: string[] = []
  const { scheduler, log } = setUp(
    [
      { name: 'a', steps: 1, onStep: () => (isDue = true) },
      'nothing',
      { name: 'between' },
      'nothing',
    ],
    {
      followUp: () => {
        if (!isDue) return undefined
        isDue = false
        return (function* () {
          told.push(...log, 'begun')
          yield
          told.push(...log, 'done')
        })()
      },
    },
  )
  scheduler.run()
  t.same(told, ['a.0', 'a', 'begun', 'a.0', 'a', 'between', 'done'])
})

t.test('until it is settled nothing is prepared', async t => {
  let settled = 0
  let prepared = 0
  const { scheduler, waits } = setUp(['nothing', { name: 'a' }, 'nothing'], {
    idle: () => {
      prepared++
      return false
    },
  })
  scheduler.settle(60_000, () => settled++)
  scheduler.run()
  t.equal(settled, 0)
  t.equal(prepared, 0)
  t.equal(waits[0]?.[0], 50)
  t.ok((waits[0]?.[1] ?? 0) > 0, 'it sleeps no longer than that')
})

t.test('once it is, that is told once', async t => {
  let settled = 0
  const { scheduler } = setUp([{ name: 'a' }, { name: 'b' }])
  scheduler.settle(0, () => settled++)
  scheduler.run()
  t.equal(settled, 1)
})

t.test('a burst is told of, and is over when serving ends', async t => {
  const told: boolean[] = []
  const many = Array.from({ length: 64 }, () => ({ name: 'x' }))
  const { scheduler } = setUp(many, { onBurst: isOn => told.push(isOn) })
  scheduler.run()
  t.same(told, [true, false])
})
