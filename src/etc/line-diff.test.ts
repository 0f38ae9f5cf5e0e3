/** Differences of lines: right, shortest where they are not too different, bounded. */

import t from 'tap'
import { diff3 } from './diff3.ts'
import { diffLines } from './line-diff.ts'
import type { LineChange } from './line-diff.ts'

const randomOf = (seed: number) => (n: number) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * n)
}

const lines = (random: (n: number) => number, kinds: number): string[] =>
  Array.from({ length: random(30) }, () => String(random(kinds)))

const apply = (
  before: readonly string[],
  after: readonly string[],
  changes: readonly LineChange[],
): string[] => {
  const out: string[] = []
  let at = 0
  for (const { from, removed, to, added } of changes) {
    out.push(...before.slice(at, from), ...after.slice(to, to + added))
    at = from + removed
  }
  return [...out, ...before.slice(at)]
}

/** Lines removed and added by a shortest way, by the table of all beginnings. */
const shortest = (a: readonly string[], b: readonly string[]): number => {
  let row = b.map((_, j) => j + 1)
  for (const [i, line] of a.entries()) {
    let diagonal = i
    let left = i + 1
    row = row.map((above, j) => {
      const best = line === b[j] ? diagonal : 1 + Math.min(left, above)
      diagonal = above
      left = best
      return best
    })
  }
  return row.at(-1) ?? a.length
}

const size = (changes: readonly LineChange[]): number =>
  changes.reduce((sum, { removed, added }) => sum + removed + added, 0)

t.test(
  'changes lead from one text to the other, by a shortest way',
  async t => {
    const random = randomOf(1)
    for (let round = 0; round < 3000; round++) {
      const kinds = [2, 5, 50][random(3)] as number
      const [a, b] = [lines(random, kinds), lines(random, kinds)]
      const changes = diffLines(a, b)
      const isRight =
        apply(a, b, changes).join() === b.join() &&
        size(changes) === shortest(a, b)
      if (!isRight) t.same({ a, b, changes }, 'round ' + round)
    }
  },
)

t.test('between two changes is a line that is kept', async t => {
  const random = randomOf(2)
  for (let round = 0; round < 1000; round++) {
    const [a, b] = [lines(random, 3), lines(random, 3)]
    const changes = diffLines(a, b)
    for (const [i, { from, to }] of changes.entries()) {
      const last = changes[i - 1]
      if (last !== undefined && from <= last.from + last.removed)
        t.fail(`${a.join()} ${b.join()}`)
      if (
        last !== undefined &&
        from - to !== last.from + last.removed - last.to - last.added
      )
        t.fail(`kept runs differ: ${a.join()} ${b.join()}`)
    }
  }
})

t.test('of several places a change takes the last', async t => {
  t.same(diffLines(['a', '#', 'b'], ['a', '#', '#', 'b']), [
    { from: 2, removed: 0, to: 2, added: 1 },
  ])
  t.same(diffLines(['a', '#', '#', 'b'], ['a', '#', 'b']), [
    { from: 2, removed: 1, to: 2, added: 0 },
  ])
  t.same(diffLines(['{', '1', '}'], ['{', '1', '}', '{', '2', '}']), [
    { from: 3, removed: 0, to: 3, added: 3 },
  ])
})

/** Mostly comments and empty lines, like the settings of a large server. */
const manyEqual = (count: number): string[] =>
  Array.from({ length: count }, (_, i) =>
    i % 3 > 0 ? '#' : i % 7 > 0 ? '' : `# option ${i}`,
  )

t.test('the steps grow with what changed, not with equal lines', async t => {
  for (const count of [10_000, 20_000, 100_000]) {
    const base = manyEqual(count)
    const mine = base.toSpliced(2000, 1, 'mine')
    const theirs = base.toSpliced(6000, 1, 'theirs')
    const budget = { steps: 1000 }
    t.same(
      diff3(base, mine, theirs, budget).filter(part => 'mine' in part),
      [],
    )
    t.ok(budget.steps > 0, `${1000 - budget.steps} steps`)
    const far = { steps: 1_000_000 }
    const [first, last] = [base.toSpliced(9, 1, 'x'), base.toSpliced(-9, 1)]
    t.equal(diffLines(first, last, far).length, 2)
    t.ok(far.steps > 0, `${1_000_000 - far.steps} steps`)
  }
})

t.test('what is too different is one change, and the steps end', async t => {
  const random = randomOf(3)
  const base = manyEqual(20_000)
  const shuffled = base
    .map(line => [random(1 << 30), line] as const)
    .sort(([x], [y]) => x - y)
    .map(([, line]) => line)
  const budget = { steps: 100_000 }
  const changes = diffLines(base, shuffled, budget)
  t.same(apply(base, shuffled, changes), shuffled)
  t.ok(budget.steps > -10_000, `${budget.steps} steps left`)
  // Coarse for one side, the other still merges outside of it.
  const parts = diff3(base, shuffled, ['theirs', ...base], { steps: 100_000 })
  t.ok(parts.length < 4)
})
