import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { check, shim } from '../system/native.ts'
import { KeeperTalk } from './keeper-talk.ts'

const DEADLINE_MS = 20_000

const until = async (isSo: () => boolean): Promise<void> => {
  const deadline = Date.now() + DEADLINE_MS
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error('it does not come')
    await sleep(5)
  }
}

/** Both ends of a socket between a server and a keeper, the latter played here. */
const makeKeeper = (pid: number) => {
  const pair = new Int32Array(2)
  check(shim().socketpair(pair), 'cannot make a socket pair')
  const [ours, theirs] = pair as unknown as [number, number]
  const socket = new Socket({ fd: theirs })
  const heard: string[] = []
  socket.setEncoding('utf8')
  socket.on('data', (data: string) =>
    heard.push(...data.split('\n').filter(line => line !== '')),
  )
  socket.on('error', () => undefined)
  return {
    keeper: { pid, socket: ours },
    heard,
    say: (line: string) => socket.write(`${line}\n`),
    die: () => socket.destroy(),
  }
}

const makeTalk = (first: ReturnType<typeof makeKeeper>) => {
  const next = [makeKeeper(2), makeKeeper(3)]
  const keepers = [first, ...next]
  const done: string[] = []
  const fake = {
    done,
    next,
    isEnding: false,
    isOurTurn: true,
    failures: 0,
    alive: (): void => undefined,
    /** Ends all sockets, so that the test's process can end. */
    close: (): void => {
      fake.isEnding = true
      for (const keeper of keepers) keeper.die()
    },
  }
  const talk = new KeeperTalk(first.keeper, {
    startKeeper: () => {
      done.push('start')
      if (fake.failures-- > 0) throw new Error('no memory')
      const keeper = next.shift()
      if (keeper === undefined) throw new Error('none is left')
      return keeper.keeper
    },
    onKeeper: keeper => done.push(`keeper ${keeper.pid}`),
    isEnding: () => fake.isEnding,
    isOurTurn: () => fake.isOurTurn,
    checkPulse: alive => (fake.alive = alive),
    pause: () => done.push('pause'),
    goOn: () => done.push('go on'),
    onTakenBack: () => done.push('taken back'),
    exit: code => done.push(`exit ${code}`),
  })
  return { talk, fake, done }
}

t.test('a ping is answered when the serving thread serves', async t => {
  const keeper = makeKeeper(1)
  const { talk, fake } = makeTalk(keeper)
  t.equal(talk.pid, 1)
  let asked = 0
  const before = fake.alive
  keeper.say('ping')
  await until(() => fake.alive !== before)
  t.same(keeper.heard, [])
  asked++
  fake.alive()
  await until(() => keeper.heard.length === asked)
  t.same(keeper.heard, ['pong'])
  fake.close()
})

t.test('a hand-over: paused, then the process ends', async t => {
  const keeper = makeKeeper(1)
  const { talk, fake, done } = makeTalk(keeper)
  const outcome = talk.reload('/bin/node', '/new program')
  t.match(await talk.reload('/bin/node', '/x'), {
    error: 'another reload is under way',
  })
  keeper.say('pause')
  await until(() => talk.isPaused)
  talk.sayPaused()
  keeper.say('exit')
  t.same(await outcome, { ok: true })
  await until(() => done.includes('exit 0'))
  t.same(keeper.heard, ['reload /bin/node\t/new program', 'paused'])
  t.same(done, ['pause', 'exit 0'])
  fake.close()
})

t.test('a hand-over that fails: this server goes on', async t => {
  const keeper = makeKeeper(1)
  const { talk, fake, done } = makeTalk(keeper)
  const outcome = talk.reload('/bin/node', '/new')
  keeper.say('pause')
  keeper.say('resume the new server ended')
  t.same(await outcome, { error: 'the new server ended' })
  await until(() => done.includes('taken back'))
  t.same(done, ['pause', 'go on', 'taken back'])
  t.notOk(talk.isPaused)
  fake.close()
})

t.test('a keeper that died is replaced, and again if need be', async t => {
  const keeper = makeKeeper(1)
  const { talk, fake, done } = makeTalk(keeper)
  const [second, third] = fake.next
  keeper.die()
  await until(() => talk.pid === 2)
  fake.failures = 1
  second?.die()
  await until(() => talk.pid === 3)
  t.same(done, ['start', 'keeper 2', 'start', 'start', 'keeper 3'])
  third?.say('pause')
  await until(() => done.includes('pause'))
  fake.close()
})

t.test('no keeper is started for a mount that ends', async t => {
  const keeper = makeKeeper(1)
  const { talk, fake, done } = makeTalk(keeper)
  fake.isEnding = true
  keeper.die()
  await sleep(50)
  t.same(done, [])
  t.equal(talk.pid, 1)
  fake.close()
})

t.test('a keeper that died in a hand-over shows who serves', async t => {
  const keeper = makeKeeper(1)
  const { talk, fake, done } = makeTalk(keeper)
  const [second] = fake.next
  const outcome = talk.reload('/bin/node', '/new')
  keeper.say('pause')
  await until(() => talk.isPaused)
  keeper.die()
  t.same(await outcome, { error: 'the keeper died' })
  await until(() => talk.pid === 2)
  t.same(done, ['pause', 'go on', 'start', 'keeper 2'])
  second?.say('pause')
  await until(() => talk.isPaused)
  fake.isOurTurn = false
  second?.die()
  await until(() => done.includes('exit 0'))
  fake.close()
})
