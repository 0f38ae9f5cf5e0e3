import t from 'tap'
import { Healing } from './healing.ts'

/** A server of numbers, and what was done about it. */
const makeServer = () => {
  const told: string[] = []
  const server = {
    time: 0,
    requests: 0,
    inHand: false,
    lost: 0,
    canResend: true,
    resends: 0,
    told,
    healing: undefined as unknown as Healing,
    /** Looks every two seconds for so many seconds. */
    async pass(seconds: number) {
      for (let i = 0; i < seconds; i += 2) {
        this.time += 2000
        await this.healing.look()
      }
    },
  }
  server.healing = new Healing({
    received: () => server.requests,
    isInHand: () => server.inHand,
    waiting: () => server.lost,
    resend: async () => {
      if (server.canResend) server.resends++
      return server.canResend
    },
    tell: (type, { waiting }) => told.push(`${type} ${String(waiting)}`),
    now: () => server.time,
  })
  return server
}

t.test('an idle server for which nobody waits is left alone', async t => {
  const server = makeServer()
  await server.pass(100)
  t.equal(server.resends, 0)
})

t.test('clients of a busy server wait for it', async t => {
  const server = makeServer()
  server.lost = 3
  for (let i = 0; i < 50; i++) {
    server.requests++
    await server.pass(2)
  }
  server.inHand = true
  await server.pass(100)
  t.equal(server.resends, 0)
})

t.test('what is lost is asked for once, when the server is idle', async t => {
  const server = makeServer()
  server.requests = 5
  server.lost = 2
  await server.pass(8)
  t.equal(server.resends, 1)
  t.same(server.told, ['requests-resent 2'])
  // They come again, and are answered.
  server.requests += 2
  server.lost = 0
  await server.pass(100)
  t.equal(server.resends, 1)
  server.requests++
  server.lost = 1
  await server.pass(8)
  t.equal(server.resends, 2, 'and so is what is lost later')
})

t.test('no loop: three resends, ever longer apart, and the end', async t => {
  const server = makeServer()
  server.lost = 1
  for (let i = 0; i < 500; i++) {
    const before = server.resends
    await server.pass(2)
    // Each time it comes again, and is lost again.
    if (server.resends > before) server.requests++
  }
  t.equal(server.resends, 3)
  const resent = 'requests-resent 1'
  t.same(server.told, [resent, resent, resent, 'requests-unanswered 1'])
})

t.test('where the kernel cannot, it is told', async t => {
  const server = makeServer()
  server.lost = 4
  server.canResend = false
  await server.pass(100)
  t.same(server.told, ['requests-unanswered 4'])
})
