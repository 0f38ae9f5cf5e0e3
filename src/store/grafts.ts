/**
 * Where history goes on when a commit's first parent was pruned.
 *
 * A commit cannot change, so what pruning cuts out of a history is written
 * down beside it: a line "<commit> <the next one kept, or ->" for each commit
 * whose first parent is gone. Format: docs/formats/repository.md
 */

import { DendroError, wrapSystemError } from '../errors.ts'
import { digestFromHex, digestOf, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { writeDurably } from '../system/durable-file.ts'
import { tryReadPlain } from '../system/plain-file.ts'
import { MIB } from '../units.ts'
import type { RepositoryPaths } from './layout.ts'

/** Commit to the commit that follows it in history; undefined: none does. */
export type Grafts = ReadonlyMap<Digest, Digest | undefined>

/**
 * `start` and what follows it by `next`, in order. Whoever can write grafts can
 * lead a history back into itself. Errors: `CORRUPT_REPOSITORY`, then.
 */
export function* followHistory(
  start: Digest,
  next: (id: Digest) => Digest | undefined,
): Generator<Digest, void, undefined> {
  const seen = new Set<Digest>()
  for (let id: Digest | undefined = start; id !== undefined; id = next(id)) {
    if (seen.has(id)) throw circle(start)
    seen.add(id)
    yield id
  }
}

const circle = (start: Digest): DendroError =>
  new DendroError(
    'CORRUPT_REPOSITORY',
    `damaged history: what follows commit ${digestToHex(start)} goes in a circle`,
    { hint: 'dendro fsck --repair makes the grafts again from the commits' },
  )

const SUM_DIGITS = 16
/** 130 bytes for each commit: half a million of them. */
const MAX_GRAFTS_BYTES = 64 * MIB

const sumOf = (text: string): string =>
  digestToHex(digestOf(Buffer.from(text))).slice(0, SUM_DIGITS)

const LINE = /^([0-9a-f]{64}) ([0-9a-f]{64}|-)$/

/** The grafts of a repository. Errors: `CORRUPT_REPOSITORY`. */
export const readGrafts = (paths: RepositoryPaths): Grafts => {
  let text: string | undefined
  try {
    text = tryReadPlain(paths.grafts, MAX_GRAFTS_BYTES)?.toString('latin1')
  } catch (error) {
    throw wrapSystemError(`cannot read ${String(paths.grafts)}`, error)
  }
  if (text === undefined) return new Map()
  const damaged = (): DendroError =>
    new DendroError(
      'CORRUPT_REPOSITORY',
      `damaged repository: ${String(paths.grafts)} does not match its checksum`,
      { hint: 'dendro fsck --repair makes it again from the commits' },
    )
  const body = text.slice(0, text.lastIndexOf('sum '))
  if (text !== `${body}sum ${sumOf(body)}\n`) throw damaged()
  const grafts = new Map<Digest, Digest | undefined>()
  for (const line of body.split('\n').slice(0, -1)) {
    const match = LINE.exec(line)
    const id = digestFromHex(match?.[1] ?? '')
    if (id === undefined) throw damaged()
    grafts.set(id, digestFromHex(match?.[2] ?? ''))
  }
  return grafts
}

/** Replaces the grafts, durably. The caller holds the publication lock. */
export const writeGrafts = (paths: RepositoryPaths, grafts: Grafts): void => {
  const lines = [...grafts].map(
    ([id, next]) =>
      `${digestToHex(id)} ${next === undefined ? '-' : digestToHex(next)}\n`,
  )
  const body = lines.sort().join('')
  writeDurably(paths.grafts, Buffer.from(`${body}sum ${sumOf(body)}\n`), {
    temporaryDirectory: paths.temporary,
  })
}
