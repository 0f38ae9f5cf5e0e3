/**
 * A reset of an /etc that is mounted nowhere is one through the mount: of any
 * layer that programs made, whatever directories in it are opaque, redirected
 * or made anew, and whatever files have their content below.
 */

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { putsTowards } from '../../src/deploy/etc-edit.ts'
import { differingPaths, EffectiveEtc } from '../../src/etc/effective-etc.ts'
import { isSameNode } from '../../src/etc/etc-node.ts'
import type { Maybe } from '../../src/etc/etc-node.ts'
import type { EtcTarget } from '../../src/etc/etc-target.ts'
import { layerTarget } from '../../src/etc/layer-rewrite.ts'
import { nodeText, readLayer } from '../../src/etc/layer.ts'
import { mountedTarget } from '../../src/etc/mounted-etc.ts'
import { OwnedPaths } from '../../src/etc/owned.ts'
import { ancestorsOf, byPath } from '../../src/etc/raw-path.ts'
import type { EtcPut } from '../../src/etc/put-changes.ts'
import { DirectoryHandle } from '../../src/system/directory-handle.ts'
import type { TestContext, TestTable } from '../context.ts'
import { act, defaultsOf, overlay, Random, scan } from '../random-etc.ts'
import type { Round } from '../random-etc.ts'

const ROUNDS = Number(process.env['RESET_ROUNDS'] ?? '40')
const OPTIONS = 'redirect_dir=on,index=off,xino=off'

const put = (target: EtcTarget, puts: readonly EtcPut[]): void => {
  const prepared = target.prepare(puts)
  try {
    prepared.carryOut(() => undefined)
  } finally {
    prepared.close()
  }
}

const assertSame = (
  seen: ReadonlyMap<string, Maybe>,
  wanted: ReadonlyMap<string, Maybe>,
  what: string,
): void => {
  for (const path of new Set([...seen.keys(), ...wanted.keys()]))
    if (!isSameNode(seen.get(path), wanted.get(path)))
      assert.fail(
        `${what}: ${path} is ${nodeText(seen.get(path))}, not ${nodeText(wanted.get(path))}`,
      )
}

/** What the overlay shows; read whole, since it is taken away then. */
const shownBy = (
  t: TestContext,
  round: Round,
  upper: string,
  options: string,
  work: () => void = () => undefined,
): Map<string, Maybe> => {
  overlay(t, round.base, round, upper, options)
  try {
    work()
    const seen = scan(round.mine)
    for (const node of seen.values()) nodeText(node)
    return seen
  } finally {
    t.run('umount', [round.mine])
  }
}

const isBelowOther = (
  now: EffectiveEtc,
  puts: readonly EtcPut[],
  path: string,
): boolean =>
  ancestorsOf(path).some(above => {
    const node = now.get(above)
    const isPut = puts.some(one => one.path === above)
    return !isPut && node !== undefined && node.kind !== 'directory'
  })

const oneRound = (t: TestContext, seed: number): number => {
  const random = new Random(seed)
  const options = `${OPTIONS},metacopy=${random.of(['on', 'off'])}`
  const made = (name: string) => t.makeDirectory(String(seed), name)
  const round: Round = {
    base: made('base'),
    theirs: made('theirs'),
    mine: made('mine'),
    upper: made('upper'),
    work: made('work'),
  }
  for (let i = 0; i < 12; i++) act(round.base, random)
  const { repository, defaults } = defaultsOf(t, `base${seed}`, round.base)
  const before = shownBy(t, round, round.upper, options, () => {
    for (let i = random.next(14); i > 0; i--) act(round.mine, random)
  })
  const other = t.path(String(seed), 'other')
  t.run('cp', ['-aT', round.upper, other])
  // Everything, or what is at and below some path.
  const now = new EffectiveEtc(readLayer(round.upper, defaults), defaults)
  const then = new EffectiveEtc(new Map(), defaults)
  const all = differingPaths(then, now, [''])
  const chosen =
    all.length === 0 || random.next(2) === 0
      ? all
      : differingPaths(then, now, [random.of(all)])
  const puts = putsTowards(then, now, chosen)
  const away = (list: readonly EtcPut[], upper: string) => {
    const changes = readLayer(upper, defaults)
    const owned = new OwnedPaths([])
    put(layerTarget({ upper, changes, defaults, owned }), list)
  }
  const mounted = (list: readonly EtcPut[]) => {
    const root = DirectoryHandle.open(Buffer.from(round.mine))
    try {
      put(mountedTarget(root, []), list)
    } finally {
      root.close()
    }
  }
  const isBlocked = puts.some(
    ({ path, node }) => node !== undefined && isBelowOther(now, puts, path),
  )
  if (isBlocked) {
    // Below a link or a file of mine that stays: both refuse, and do nothing.
    const refused = { code: 'NOT_A_DIRECTORY' }
    assert.throws(() => away(puts, round.upper), refused)
    const same = shownBy(t, round, round.upper, options, () =>
      assert.throws(() => mounted(puts), refused),
    )
    assertSame(same, before, `seed ${seed}: refused`)
    repository.close()
    return 0
  }
  away(puts, round.upper)
  const one = shownBy(t, round, round.upper, options)
  const two = shownBy(t, round, other, options, () => mounted(puts))
  assertSame(one, two, `seed ${seed}: away, and through the mount`)
  for (const path of chosen)
    assert.ok(
      isSameNode(one.get(path), then.get(path)),
      `seed ${seed}: ${path}`,
    )
  // And back again, each the other way.
  const was = { get: (path: string) => before.get(path) }
  const back = (upper: string) => {
    const is = new EffectiveEtc(readLayer(upper, defaults), defaults)
    const paths = puts.map(({ path }) => path)
    return putsTowards(was, is, [...new Set(paths)].sort(byPath))
  }
  away(back(other), other)
  assertSame(shownBy(t, round, other, options), before, `seed ${seed}: back`)
  const list = back(round.upper)
  const again = shownBy(t, round, round.upper, options, () => mounted(list))
  assertSame(again, before, `seed ${seed}: back through the mount`)
  repository.close()
  rmSync(t.path(String(seed)), { recursive: true })
  return puts.length
}

export const tests: TestTable = {
  [`${ROUNDS} random layers: a reset away from the mount is one through it`]:
    t => {
      t.dendro('init')
      const first = Number(process.env['RESET_SEED'] ?? Date.now() % 1_000_000)
      console.log(`# first seed ${first}`)
      let puts = 0
      for (let i = 0; i < ROUNDS; i++) puts += oneRound(t, first + i)
      assert.ok(puts > ROUNDS, `${puts} paths were put`)
    },
}
