import t from 'tap'
import type { Digest } from '../objects/digest.ts'
import type { NodeKey } from './node-kind.ts'
import { Upcoming } from './upcoming.ts'

const tree = (n: number): Digest => String(n).padStart(32, '0') as Digest
const path = (n: number): NodeKey => new Uint32Array([n, 1, 2, 3])

/** Lists a directory: says which are below, the last first, as the view does. */
const list = (upcoming: Upcoming, n: number, below: readonly number[]) => {
  upcoming.arrived(tree(n), path(n))
  for (const one of [...below].reverse()) upcoming.expect(tree(one), path(one))
}

const prepared = (upcoming: Upcoming): Digest[] => {
  const found: Digest[] = []
  for (;;) {
    const next = upcoming.next()
    if (next === undefined) return found
    found.push(next.tree)
  }
}

t.test('a walk is followed, with more credit at each step', async t => {
  const upcoming = new Upcoming()
  list(upcoming, 1, [2, 3, 4, 5, 6, 7])
  t.same(prepared(upcoming), [tree(2)], 'the first below is next')
  list(upcoming, 2, [])
  t.same(prepared(upcoming), [tree(3), tree(4)])
  list(upcoming, 3, [8, 9])
  t.same(
    prepared(upcoming),
    [tree(8), tree(9), tree(5)],
    'what is below a directory comes before its neighbours',
  )
  list(upcoming, 8, [])
  t.same(prepared(upcoming), [tree(6), tree(7)])
})

t.test('directories that were left out are forgotten', async t => {
  const upcoming = new Upcoming()
  list(upcoming, 1, [2, 3, 4])
  list(upcoming, 2, [])
  list(upcoming, 4, [])
  t.same(prepared(upcoming), [])
  list(upcoming, 99, [5, 6])
  t.same(prepared(upcoming), [tree(5)], 'a surprise costs the credit')
})

t.test('the same tree at another path is another directory', async t => {
  const upcoming = new Upcoming()
  list(upcoming, 1, [2])
  upcoming.arrived(tree(2), path(7))
  t.same(prepared(upcoming), [])
})

t.test('a commit that was entered is explored, not without end', async t => {
  const upcoming = new Upcoming()
  t.equal(upcoming.explore(), undefined)
  upcoming.entered(tree(1), path(1))
  let explored = 0
  for (let n = 2; upcoming.explore() !== undefined; n += 2) {
    explored++
    upcoming.found(tree(n + 1), path(n + 1))
    upcoming.found(tree(n), path(n))
  }
  t.equal(explored, 128)
  t.equal(upcoming.explore(), undefined)
})

t.test('what is expected is bounded', async t => {
  const upcoming = new Upcoming()
  for (let n = 0; n < 20_000; n++) upcoming.expect(tree(n), path(n))
  t.same(prepared(upcoming), [tree(19_999)])
})
