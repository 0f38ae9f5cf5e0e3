/**
 * The merge on real overlays: what programs did to a mounted /etc is read back
 * from its layer, merged, written as a new layer, mounted again, and compared
 * path by path with the rule applied to plain copies.
 */

import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { CommitDefaults, digestOfBytes } from '../../src/etc/defaults.ts'
import { isSameNode } from '../../src/etc/etc-node.ts'
import type { Maybe } from '../../src/etc/etc-node.ts'
import { readEntry } from '../../src/etc/layer-entry.ts'
import { inParent } from '../../src/etc/layer-tree.ts'
import { writeLayer } from '../../src/etc/layer-writer.ts'
import { planEtcMerge } from '../../src/etc/merge.ts'
import { OwnedPaths } from '../../src/etc/owned.ts'
import { planMerge } from '../../src/etc/plan.ts'
import { parsePolicy } from '../../src/etc/policy.ts'
import { Repository } from '../../src/store/repository.ts'
import { DirectoryHandle } from '../../src/system/directory-handle.ts'
import { resolveRevision } from '../../src/refs/revision.ts'
import { nodeText } from '../../src/etc/layer.ts'
import type { TestContext, TestTable } from '../context.ts'

const ROUNDS = Number(process.env['MERGE_ROUNDS'] ?? '40')
const OPTIONS = 'redirect_dir=on,index=off,metacopy=off,xino=off'

class Random {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  next(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * n)
  }
  of<T>(values: readonly T[]): T {
    return values[this.next(values.length)] as T
  }
}

const NAMES = ['a', 'b', 'c', 'd']

const readAt = (path: string) =>
  inParent(path, (parent, name) =>
    readEntry(parent, name, () =>
      inParent(path, above => DirectoryHandle.of(openSync(above.itself, 'r'))),
    ),
  )

/** Everything below, as the file system shows it. */
const scan = (root: string): Map<string, Maybe> => {
  const found = new Map<string, Maybe>()
  const visit = (path: string): void => {
    const entry = readAt(path === '' ? root : `${root}/${path}`)
    if (entry?.type !== 'node') throw new Error(`${path} is not there`)
    found.set(path, entry.node)
    if (entry.node.kind !== 'directory') return
    for (const name of readdirSync(join(root, path)))
      visit(path === '' ? name : `${path}/${name}`)
  }
  visit('')
  return found
}

const directories = (root: string): string[] =>
  [...scan(root)]
    .filter(([, node]) => node?.kind === 'directory')
    .map(([path]) => path)

const attempt = (work: () => void): void => {
  try {
    work()
  } catch {
    // Not possible here: a directory in the way, or onto itself.
  }
}

/** One thing that a program may do below `root`. */
const act = (root: string, random: Random): void => {
  const place = () => join(root, random.of(directories(root)), random.of(NAMES))
  const path = place()
  switch (random.next(11)) {
    case 0:
    case 1:
      attempt(() => writeFileSync(path, `${random.next(4)}\n`))
      return
    case 2:
      attempt(() => mkdirSync(path))
      return
    case 3:
      attempt(() => rmSync(path, { recursive: true }))
      return
    case 4:
      attempt(() => renameSync(path, place()))
      return
    case 5:
      attempt(() => symlinkSync(String(random.next(3)), path))
      return
    case 6:
      attempt(() => chmodSync(path, random.of([0o600, 0o644, 0o755])))
      return
    case 7:
      attempt(() => chownSync(path, random.next(3), random.next(3)))
      return
    case 8:
      attempt(() => linkSync(path, place()))
      return
    case 9:
      // Gone and made anew: an opaque directory where there was one.
      attempt(() => {
        const isDirectory = lstatSync(path).isDirectory()
        rmSync(path, { recursive: true })
        if (isDirectory) mkdirSync(path)
        else writeFileSync(path, 'new\n')
      })
      return
    case 10: {
      const beside = `${path}.new`
      attempt(() => {
        writeFileSync(beside, `${random.next(4)}\n`)
        renameSync(beside, path)
      })
      rmSync(beside, { force: true, recursive: true })
    }
  }
}

interface Round {
  readonly base: string
  readonly theirs: string
  readonly mine: string
  readonly upper: string
  readonly work: string
}

const overlay = (
  t: TestContext,
  lower: string,
  round: Round,
  upper: string,
) => {
  rmSync(round.work, { recursive: true, force: true })
  mkdirSync(round.work)
  t.run('mount', [
    '-t',
    'overlay',
    'overlay',
    '-o',
    `lowerdir=${lower},upperdir=${upper},workdir=${round.work},${OPTIONS}`,
    round.mine,
  ])
}

const defaultsOf = (t: TestContext, ref: string, directory: string) => {
  t.commit(ref, directory)
  const repository = Repository.open(t.repository)
  const { root } = repository.commits.load(resolveRevision(repository, ref))
  return { repository, defaults: new CommitDefaults(repository, root) }
}

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
