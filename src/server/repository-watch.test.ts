import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { HeldDirectory } from '../system/held-path.ts'
import { RepositoryWatch } from './repository-watch.ts'

const DEADLINE_MS = 20_000

const makeWatch = (path: string) => {
  const moves: [string, string][] = []
  const held = HeldDirectory.open(path)
  const watch = new RepositoryWatch(held, path, (from, to) =>
    moves.push([from, to]),
  )
  t.teardown(() => {
    watch.stop()
    held.close()
  })
  return { watch, moves }
}

t.test('a publication is told, a burst of them once', async t => {
  const path = t.testdir({ generation: 'x' })
  const { watch } = makeWatch(path)
  let published = 0
  watch.start(() => published++)
  const publish = (): void => {
    writeFileSync(join(path, 'new'), 'y')
    renameSync(join(path, 'new'), join(path, 'generation'))
  }
  publish()
  publish()
  const deadline = Date.now() + DEADLINE_MS
  while (published === 0 && Date.now() < deadline) await sleep(5)
  t.equal(published, 1)
  writeFileSync(join(path, 'something else'), '')
  await sleep(100)
  t.equal(published, 1)
  publish()
  while (published === 1 && Date.now() < deadline) await sleep(5)
  t.equal(published, 2)
})

t.test('a repository that was moved is followed', async t => {
  const base = t.testdir({ old: {} })
  const old = join(base, 'old')
  const { watch, moves } = makeWatch(old)
  t.equal(watch.path(), old)
  renameSync(old, join(base, 'new'))
  mkdirSync(old)
  t.equal(watch.path(), join(base, 'new'))
  t.equal(watch.path(), join(base, 'new'))
  t.same(moves, [[old, join(base, 'new')]], 'told once')
})
