import t from 'tap'
import type { Invalidation } from '../fuse/notify.ts'
import { letGoOf } from './let-go.ts'
import type { LetGoPorts } from './let-go.ts'
import type { ControlMessage } from './server-config.ts'

/** A serving thread that lets go of a commit after so many questions. */
const makeServing = (rounds: Readonly<Record<string, number>>) => {
  const posted: ControlMessage[] = []
  const told: Invalidation[] = []
  let asked = 0
  const entries: Invalidation[] = Object.keys(rounds).map(name => ({
    kind: 'entry',
    parent: 7,
    name,
  }))
  const ask = async (
    _type: string,
    make: (id: number) => ControlMessage,
  ): Promise<unknown> => {
    const message = make(1)
    const commits = message.type === 'condemn' ? message.commits : []
    asked++
    return {
      inUse: commits.filter(hex => (rounds[hex] ?? 0) >= asked),
      invalidations: [...entries, { kind: 'inode', nodeId: 9 }],
    }
  }
  const ports: LetGoPorts = {
    serving: {
      ask: ask as LetGoPorts['serving']['ask'],
      post: message => posted.push(message),
    },
    sendAll: invalidations => told.push(...invalidations),
    usedByProcesses: commits => commits.filter(hex => hex === 'used'),
  }
  return { ports, posted, told, asked: () => asked }
}

t.test('what nobody uses is let go of at once', async t => {
  const { ports, posted, told } = makeServing({})
  t.same(await letGoOf(['a', 'used'], ports), { inUse: ['used'] })
  t.same(told, [])
  t.same(posted, [{ type: 'pardon', commits: [] }])
})

t.test('the kernel is told once of names that it still knows', async t => {
  const { ports, told, asked } = makeServing({ a: 2, b: 1 })
  t.same(await letGoOf(['a', 'b', 'c'], ports), { inUse: [] })
  t.equal(asked(), 3)
  t.same(
    told.map(one => one.kind === 'entry' && one.name),
    ['a', 'b'],
  )
})

t.test('what the kernel keeps is in use, and may be entered again', async t => {
  const { ports, posted } = makeServing({ kept: 1e9 })
  t.same(await letGoOf(['kept', 'gone'], ports), { inUse: ['kept'] })
  t.same(posted, [{ type: 'pardon', commits: ['kept'] }])
})
