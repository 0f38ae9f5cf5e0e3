/**
 * The merge on real overlays: what programs did to a mounted /etc is read back
 * from its layer, merged, written as a new layer, mounted again, and compared
 * path by path with the rule applied to plain copies.
 */

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { digestOfBytes } from '../../src/etc/defaults.ts'
import type { CommitDefaults } from '../../src/etc/defaults.ts'
import { isSameNode } from '../../src/etc/etc-node.ts'
import type { Maybe } from '../../src/etc/etc-node.ts'
import { nodeText } from '../../src/etc/layer.ts'
import { writeLayer } from '../../src/etc/layer-writer.ts'
import { planEtcMerge } from '../../src/etc/merge.ts'
import { OwnedPaths } from '../../src/etc/owned.ts'
import { planMerge } from '../../src/etc/plan.ts'
import { parsePolicy } from '../../src/etc/policy.ts'
import type { TestContext, TestTable } from '../context.ts'
import { act, defaultsOf, overlay, Random, scan } from '../random-etc.ts'
import type { Round } from '../random-etc.ts'

const ROUNDS = Number(process.env['MERGE_ROUNDS'] ?? '40')
const oneRound = (t: TestContext, seed: number): number => {
  const random = new Random(seed)
  const made = (name: string) => t.makeDirectory(String(seed), name)
  const round: Round = {
    base: made('base'),
    theirs: made('theirs'),
    mine: made('mine'),
    upper: made('upper'),
    work: made('work'),
  }
  for (let i = 0; i < 12; i++) act(round.base, random)
  t.run('cp', ['-aT', round.base, round.theirs])
  for (let i = random.next(10); i > 0; i--) act(round.theirs, random)
  const base = defaultsOf(t, `base${seed}`, round.base)
  const theirs = defaultsOf(t, `theirs${seed}`, round.theirs)
  overlay(t, round.base, round, round.upper)
  for (let i = random.next(14); i > 0; i--) act(round.mine, random)
  t.run('cp', ['-aT', round.mine, t.path(String(seed), 'copy')])
  t.run('umount', [round.mine])
  const mine = scan(t.path(String(seed), 'copy'))
  // The rule, applied to plain copies.
  const all = new Set([...mine.keys(), ...scan(round.base).keys()])
  const expected = planMerge({
    changes: new Map([...all].map(path => [path, mine.get(path)])),
    base: base.defaults,
    theirs: theirs.defaults,
    isSameBelow: path => base.defaults.isSameBelow(path, theirs.defaults),
    policy: parsePolicy(''),
    owned: new OwnedPaths([]),
    digestOf: digestOfBytes,
  })
  const planned = planEtcMerge({
    upper: round.upper,
    base: base.defaults,
    theirs: theirs.defaults,
    owned: new OwnedPaths([]),
  })
  // A directory that is gone stands for what was in it.
  const told = (items: typeof expected.items) =>
    items
      .filter(
        ({ path, mine: node }) =>
          node !== undefined || !isBelowGone(path, mine, base.defaults),
      )
      .map(
        ({ path, source, result, conflict }) =>
          `${path} ${source} ${nodeText(result)} ${conflict ?? ''}`,
      )
  assert.deepEqual(told(planned.items), told(expected.items), `seed ${seed}`)
  const next = t.path(String(seed), 'next')
  writeLayer(planned, next)
  overlay(t, round.theirs, round, next)
  const seen = scan(round.mine)
  for (const node of seen.values()) nodeText(node)
  const results = new Map(planned.items.map(item => [item.path, item.result]))
  const paths = new Set([
    ...seen.keys(),
    ...results.keys(),
    ...scan(round.theirs).keys(),
  ])
  for (const path of paths) {
    const wanted = isHidden(path, results)
      ? undefined
      : results.has(path)
        ? results.get(path)
        : theirs.defaults.get(path)
    if (!isSameNode(seen.get(path), wanted))
      assert.fail(
        `seed ${seed}: ${path} is ${nodeText(seen.get(path))}, not ${nodeText(wanted)}`,
      )
  }
  t.run('umount', [round.mine])
  base.repository.close()
  theirs.repository.close()
  rmSync(t.path(String(seed)), { recursive: true })
  return planned.items.length
}

const parents = (path: string): string[] =>
  path
    .split('/')
    .slice(1)
    .map((_, i) =>
      path
        .split('/')
        .slice(0, i + 1)
        .join('/'),
    )

const isBelowGone = (
  path: string,
  mine: ReadonlyMap<string, Maybe>,
  base: CommitDefaults,
): boolean =>
  parents(path).some(
    above =>
      mine.get(above)?.kind !== 'directory' &&
      base.get(above)?.kind === 'directory',
  )

/** Whether something above is no directory in the result. */
const isHidden = (path: string, results: ReadonlyMap<string, Maybe>): boolean =>
  parents(path).some(
    above => results.has(above) && results.get(above)?.kind !== 'directory',
  )

export const tests: TestTable = {
  [`${ROUNDS} random trees: what is planned is what is mounted`]: t => {
    t.dendro('init')
    let items = 0
    const first = Number(process.env['MERGE_SEED'] ?? Date.now() % 1_000_000)
    console.log(`# first seed ${first}`)
    for (let i = 0; i < ROUNDS; i++) items += oneRound(t, first + i)
    assert.ok(items > ROUNDS, `${items} paths were decided`)
  },
}
