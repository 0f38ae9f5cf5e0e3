/**
 * Which commits a prune keeps. Pure: histories in, decisions out.
 *
 * Without any rule everything that a ref or a tag reaches is kept. With rules,
 * a commit stays if one of them names it; the tip of a ref always does.
 */

import type { Digest } from '../objects/digest.ts'

export interface RetentionRules {
  /** The newest N of each ref. */
  readonly last?: number | undefined
  /** The newest of each of the N latest days (UTC) that have commits. */
  readonly daily?: number | undefined
  /** The same by ISO weeks. */
  readonly weekly?: number | undefined
  /** Tags whose names match one of these globs; all when undefined. */
  readonly tags?: readonly string[] | undefined
}

export interface HistoryCommit {
  readonly id: Digest
  readonly timeSec: number
}

export interface NamedCommit {
  readonly name: string
  readonly commit: Digest
}

export interface RetentionInput {
  /** For each ref its commits along the first parents, newest first. */
  readonly histories: readonly (readonly HistoryCommit[])[]
  readonly tags: readonly NamedCommit[]
  /** Commits that deployments and instances need. */
  readonly held: readonly Digest[]
  /** The commits of a tag's history, newest first; asked only without rules. */
  readonly historyOf: (commit: Digest) => readonly HistoryCommit[]
}

export interface Retained {
  /** Commit to the reasons it is kept for. */
  readonly kept: ReadonlyMap<Digest, readonly string[]>
  /** Tags that match no rule: they go with their commits. */
  readonly droppedTags: readonly string[]
}

const DAY_SEC = 86_400
/** 1970-01-01 was a Thursday: ISO weeks begin three days before it. */
const WEEK_SHIFT_DAYS = 3

const dayOf = (timeSec: number): number => Math.floor(timeSec / DAY_SEC)
const weekOf = (timeSec: number): number =>
  Math.floor((dayOf(timeSec) + WEEK_SHIFT_DAYS) / 7)

/** A glob of `*` and `?`, which match `/` too. */
export const globMatches = (glob: string, text: string): boolean => {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.')
  return new RegExp(`^${source}$`, 'su').test(text)
}

export const hasRules = (rules: RetentionRules): boolean =>
  Object.values(rules).some(rule => rule !== undefined)

export const retain = (
  input: RetentionInput,
  rules: RetentionRules,
): Retained => {
  const kept = new Map<Digest, string[]>()
  const keep = (id: Digest, why: string): void => {
    const reasons = kept.get(id)
    if (reasons === undefined) kept.set(id, [why])
    else if (!reasons.includes(why)) reasons.push(why)
  }
  const isLimited = hasRules(rules)
  const tagRules = rules.tags
  const keptTags = input.tags.filter(
    ({ name }) =>
      tagRules === undefined || tagRules.some(glob => globMatches(glob, name)),
  )
  for (const commit of input.held) keep(commit, 'held')
  for (const { commit } of keptTags) {
    keep(commit, 'tag')
    if (!isLimited)
      for (const { id } of input.historyOf(commit)) keep(id, 'history')
  }
  for (const history of input.histories) {
    if (!isLimited) for (const { id } of history) keep(id, 'history')
    const [tip] = history
    if (tip !== undefined) keep(tip.id, 'ref')
    for (const { id } of history.slice(0, rules.last ?? 0)) keep(id, 'last')
    keepNewestOf(history, dayOf, rules.daily ?? 0, id => keep(id, 'daily'))
    keepNewestOf(history, weekOf, rules.weekly ?? 0, id => keep(id, 'weekly'))
  }
  const names = new Set(keptTags.map(({ name }) => name))
  const droppedTags = input.tags
    .filter(({ name, commit }) => !names.has(name) && !kept.has(commit))
    .map(({ name }) => name)
  return { kept, droppedTags }
}

const keepNewestOf = (
  history: readonly HistoryCommit[],
  periodOf: (timeSec: number) => number,
  count: number,
  keep: (id: Digest) => void,
): void => {
  const seen = new Set<number>()
  // History need not ascend in time: the newest is looked for.
  const newestFirst = [...history].sort((a, b) => b.timeSec - a.timeSec)
  for (const { id, timeSec } of newestFirst) {
    if (seen.size >= count) return
    const period = periodOf(timeSec)
    if (seen.has(period)) continue
    seen.add(period)
    keep(id)
  }
}
