/**
 * Carries over what was prepared in a deployment that waits for its boot: the
 * merge is made again, of an /etc that went on or with newer defaults, and what
 * was changed in the old result since is merged into the new one.
 *
 * A 3-way merge of results: base is what the old merge left, mine what was made
 * of it, theirs what the new merge gives. What was prepared stays in force
 * where the running /etc changed the same. docs/etc-merge.md, "Once more"
 */

import type { CommitDefaults } from './defaults.ts'
import { digestOfBytes } from './defaults.ts'
import { EffectiveEtc } from './effective-etc.ts'
import { isSameNode } from './etc-node.ts'
import type { Maybe } from './etc-node.ts'
import { nodeText } from './layer.ts'
import type { Changes } from './layer.ts'
import type { PlannedMerge } from './merge.ts'
import { OwnedPaths } from './owned.ts'
import { planMerge } from './plan.ts'
import type { PlanItem } from './plan.ts'
import { parsePolicy } from './policy.ts'
import { ancestorsOf, byPath } from './raw-path.ts'

/** A layer over `defaults`, as the merge left it and as it is. */
export interface PreparedLayer {
  readonly left: Changes
  readonly now: Changes
  readonly defaults: CommitDefaults
}

/** A conflict that somebody settled: these two are not asked again. */
export interface SettledVersions {
  readonly path: string
  /** As `nodeText` has them. */
  readonly mine: string
  readonly theirs: string
}

/** The plan with what was prepared in it. */
export const mergePrepared = (
  plan: PlannedMerge,
  { left, now, defaults }: PreparedLayer,
): PlannedMerge => {
  const was = new EffectiveEtc(left, defaults)
  const is = new EffectiveEtc(now, defaults)
  const results: Changes = new Map(
    plan.items.map(({ path, result }) => [path, result]),
  )
  const next = new EffectiveEtc(results, plan.theirs)
  const prepared = planMerge({
    changes: changesBetween(was, is, [...left.keys(), ...now.keys()]),
    base: was,
    theirs: next,
    isSameBelow: path => isSameBelow(path, was, next),
    policy: parsePolicy(''),
    owned: new OwnedPaths([]),
    digestOf: digestOfBytes,
  }).items.map(explained)
  return { ...plan, items: stacked(plan, prepared, next) }
}

/** Paths of `is` that are not as they were, with what stands there. */
const changesBetween = (
  was: EffectiveEtc,
  is: EffectiveEtc,
  named: readonly string[],
): Changes => {
  const changes: Changes = new Map()
  const add = (path: string): void => {
    if (!isSameNode(is.get(path), was.get(path)))
      changes.set(path, is.get(path))
  }
  for (const path of named) {
    add(path)
    // A directory that came brings along what shows in it.
    const isNew =
      is.get(path)?.kind === 'directory' && was.get(path)?.kind !== 'directory'
    if (isNew) for (const below of is.paths(path)) add(below)
  }
  return changes
}

const isSameBelow = (
  path: string,
  one: EffectiveEtc,
  other: EffectiveEtc,
): boolean =>
  [...one.paths(path), ...other.paths(path)].every(
    below => below === path || isSameNode(one.get(below), other.get(below)),
  )

const explained = (item: PlanItem): PlanItem =>
  item.conflict === undefined
    ? item
    : {
        ...item,
        conflict: `prepared here, changed in the running /etc: ${item.conflict}`,
      }

/** One list of items over the defaults of `plan`, the prepared ones on top. */
const stacked = (
  plan: PlannedMerge,
  prepared: readonly PlanItem[],
  next: EffectiveEtc,
): PlanItem[] => {
  const under = new Map(plan.items.map(item => [item.path, item]))
  const items = new Map(under)
  for (const item of prepared) {
    const { path } = item
    const theirs = plan.theirs.get(path)
    const before = under.get(path)
    items.set(
      path,
      item.conflict === undefined && before !== undefined
        ? { ...before, source: item.source, result: item.result }
        : {
            ...item,
            theirs: item.conflict === undefined ? theirs : item.theirs,
          },
    )
    // A directory that stays after all shows nothing of the defaults.
    const isBack =
      item.result?.kind === 'directory' &&
      next.get(path)?.kind !== 'directory' &&
      theirs?.kind === 'directory'
    if (!isBack) continue
    for (const below of new EffectiveEtc(new Map(), plan.theirs).paths(path))
      if (!prepared.some(other => other.path === below))
        items.set(below, gone(below, plan))
  }
  const isHidden = (path: string): boolean =>
    ancestorsOf(path).some(above => {
      const item = items.get(above)
      return item !== undefined && item.result?.kind !== 'directory'
    })
  return [...items.values()]
    .filter(({ path }) => !isHidden(path))
    .sort((a, b) => byPath(a.path, b.path))
}

const gone = (path: string, plan: PlannedMerge): PlanItem => {
  const theirs: Maybe = plan.theirs.get(path)
  return {
    path,
    base: theirs,
    mine: undefined,
    theirs,
    source: 'mine',
    result: undefined,
    conflict: undefined,
    isForbidden: false,
  }
}

/** The plan without the conflicts that were settled for the same two. */
export const withoutSettled = (
  plan: PlannedMerge,
  settled: readonly SettledVersions[],
): PlannedMerge => {
  const isSettled = (item: PlanItem): boolean =>
    settled.some(
      ({ path, mine, theirs }) =>
        path === item.path &&
        mine === nodeText(item.mine) &&
        theirs === nodeText(item.theirs),
    )
  return {
    ...plan,
    items: plan.items.map(item =>
      item.conflict !== undefined && isSettled(item)
        ? { ...item, conflict: undefined, isForbidden: false }
        : item,
    ),
  }
}
