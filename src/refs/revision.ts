/**
 * Revision syntax: what a person writes to name a commit.
 *
 *     REF  TAG  ID  ID-PREFIX(8+)  REF^  REF~3  REF@{23.32}  REF@{2026-01-27}
 *
 * Suffixes may follow one another. `@{...}` looks along the first parents,
 * for a `version` first and, when the text is a date, for the newest commit at
 * or before the end of that day (UTC).
 */

import { DendroError } from '../errors.ts'
import type { Commit } from '../objects/commit.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { followHistory } from '../store/grafts.ts'
import type { HistoryReader } from '../store/object-store.ts'
import { existingRef, RefStore } from './ref-store.ts'
import type { NamedStore } from './ref-store.ts'
import type { RefName } from './ref-name.ts'

const MIN_PREFIX = 8

/** Commits, their histories, and the names that some have. */
export interface NamedHistory extends HistoryReader, NamedStore {}

const unknown = (revision: string, why: string): DendroError =>
  new DendroError('UNKNOWN_REVISION', `unknown revision ${revision}: ${why}`, {
    hint: 'dendro refs lists the refs, dendro log REF the commits',
  })

/**
 * A commit and its ancestors along the first parents, newest first. What was
 * pruned in between is passed over.
 */
export function* firstParents(
  repository: HistoryReader,
  start: Digest,
): Generator<{ id: Digest; commit: Commit }, void, undefined> {
  const grafts = repository.grafts()
  let commit: Commit
  for (const id of followHistory(start, before =>
    grafts.has(before) ? grafts.get(before) : commit.parents[0],
  )) {
    commit = repository.commits.load(id)
    yield { id, commit }
  }
}

export interface ParsedRevision {
  /** The name of a ref or tag, or digits of a commit id; `@` is part of it. */
  readonly base: string
  /** What follows: `^`, `~3`, `@{...}`, or empty. */
  readonly steps: string
}

/** Takes a revision apart; whether it names anything is not looked at. */
export const parseRevision = (revision: string): ParsedRevision => {
  const base = /^(?:[^\^~@]|@(?!\{))*/.exec(revision)?.[0] ?? ''
  return { base, steps: revision.slice(base.length) }
}

/**
 * The ref whose history a revision names a commit of: `stable` of `stable~1`.
 * Undefined for tags, commit ids and what is not there.
 */
export const refOf = (
  repository: NamedStore,
  revision: string,
): RefName | undefined => existingRef(repository, parseRevision(revision).base)

/** Errors: `UNKNOWN_REVISION`, `AMBIGUOUS_REVISION`. */
export const resolveRevision = (
  repository: NamedHistory,
  revision: string,
): Digest => {
  const { base, steps } = parseRevision(revision)
  let id = resolveBase(repository, base, revision)
  let rest = steps
  while (rest !== '') {
    const parents = /^(\^|~(\d*))/.exec(rest)
    const selector = /^@\{([^}]*)\}/.exec(rest)
    if (parents !== null) {
      const count = parents[1] === '^' ? 1 : Number(parents[2] || '1')
      id = ancestor(repository, id, count, revision)
      rest = rest.slice((parents[1] as string).length)
    } else if (selector !== null) {
      id = select(repository, id, selector[1] as string, revision)
      rest = rest.slice(selector[0].length)
    } else throw unknown(revision, `'${rest}' is no revision suffix`)
  }
  return id
}

const resolveBase = (
  repository: NamedHistory,
  base: string,
  revision: string,
): Digest => {
  if (base === '') throw unknown(revision, 'it names no ref and no commit')
  for (const kind of ['refs', 'tags'] as const) {
    const found = lookUp(new RefStore(repository.paths, kind), base)
    if (found !== undefined) return found
  }
  if (/^[0-9a-f]+$/.test(base) && base.length >= MIN_PREFIX)
    return resolvePrefix(repository, base, revision)
  const why = /^[0-9a-f]+$/.test(base)
    ? `there is no such ref, and a commit id needs ${MIN_PREFIX} digits`
    : 'there is no such ref, tag or commit'
  throw unknown(revision, why)
}

const lookUp = (store: RefStore, base: string): Digest | undefined => {
  const parts = base.split('/')
  if (parts.some(part => part === '' || part === '.' || part === '..'))
    return undefined
  return base.includes('\0') ? undefined : store.get(base as RefName)
}

const resolvePrefix = (
  { commits }: Pick<HistoryReader, 'commits'>,
  prefix: string,
  revision: string,
): Digest => {
  const whole = digestFromHex(prefix)
  if (whole !== undefined && commits.has(whole)) return whole
  const found = commits.listHex().filter(hex => hex.startsWith(prefix))
  if (found.length === 1) return digestFromHex(found[0] as string) as Digest
  if (found.length === 0) throw unknown(revision, 'there is no such commit')
  throw new DendroError(
    'AMBIGUOUS_REVISION',
    `ambiguous revision ${revision}: ${found.length} commits begin with ${prefix}`,
    { hint: `write more digits: ${found.slice(0, 3).join(' ')}` },
  )
}

const ancestor = (
  repository: HistoryReader,
  id: Digest,
  count: number,
  revision: string,
): Digest => {
  let steps = 0
  for (const step of firstParents(repository, id))
    if (steps++ === count) return step.id
  throw unknown(
    revision,
    `the history has ${steps} commits from ${digestToHex(id).slice(0, 12)}`,
  )
}

const select = (
  repository: HistoryReader,
  id: Digest,
  wanted: string,
  revision: string,
): Digest => {
  for (const step of firstParents(repository, id))
    if (step.commit.metadata.get('version') === wanted) return step.id
  const endSec = endOfDay(wanted)
  if (endSec === undefined)
    throw unknown(revision, `no commit of its history has version ${wanted}`)
  for (const step of firstParents(repository, id))
    if (step.commit.timeSec <= endSec) return step.id
  throw unknown(revision, `its history begins after ${wanted}`)
}

/** Last second of the day `YYYY-MM-DD` in UTC, or undefined for other text. */
const endOfDay = (text: string): number | undefined => {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined
  const milliseconds = Date.parse(`${text}T23:59:59Z`)
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000
}
