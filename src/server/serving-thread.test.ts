import { MessageChannel } from 'node:worker_threads'
import t from 'tap'
import { check, shim } from '../system/native.ts'
import { closeSync, readSync } from '../system/files.ts'
import { GATE } from './server-config.ts'
import type { ControlMessage, ServerMessage } from './server-config.ts'
import { ServingThread } from './serving-thread.ts'

const makeThread = (wakeFd = -1) => {
  const { port1, port2 } = new MessageChannel()
  const gate = new Int32Array(new SharedArrayBuffer(GATE.words * 4))
  const news: ServerMessage[] = []
  const thread = new ServingThread(port2, gate, wakeFd, message =>
    news.push(message),
  )
  t.teardown(() => port1.close())
  return { thread, port: port1, gate, news }
}

/** Answers each question with what `answer` makes of it. */
const answering = (
  port: MessageChannel['port1'],
  answer: (message: ControlMessage) => unknown,
): void => {
  port.on('message', (message: ControlMessage) =>
    port.postMessage(answer(message)),
  )
}

t.test('answers find those who asked, in any order', async t => {
  const { thread, port } = makeThread()
  const asked: ControlMessage[] = []
  port.on('message', (message: ControlMessage) => {
    asked.push(message)
    if (asked.length < 2) return
    for (const one of [...asked].reverse())
      port.postMessage({ type: 'pong', id: 'id' in one ? one.id : 0 })
  })
  const ping = (id: number): ControlMessage => ({ type: 'ping', id })
  const [first, second] = await Promise.all([
    thread.ask('pong', ping),
    thread.ask('pong', ping),
  ])
  t.not(first.id, second.id)
})

t.test('an answer of another kind is an error', async t => {
  const { thread, port } = makeThread()
  answering(port, message => ({
    type: 'resent',
    id: 'id' in message ? message.id : 0,
    isDone: true,
  }))
  await t.rejects(
    thread.ask('pong', id => ({ type: 'ping', id })),
    /asked for pong, got resent/,
  )
})

t.test('news comes unasked', async t => {
  const { port, news } = makeThread()
  port.postMessage({ type: 'paused' })
  while (news.length === 0) await new Promise(setImmediate)
  t.same(news, [{ type: 'paused' }])
})

t.test('a message wakes the thread that has no event loop', async t => {
  const wakeFd = check(shim().eventfd(), 'cannot make an eventfd')
  t.teardown(() => closeSync(wakeFd))
  const { thread, gate } = makeThread(wakeFd)
  thread.post({ type: 'refresh' })
  t.equal(Atomics.load(gate, GATE.isCalled), 1)
  const count = Buffer.alloc(8)
  t.equal(readSync(wakeFd, count), 8)
  t.equal(count.readBigUInt64LE(), 1n)
})
