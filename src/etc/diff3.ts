/**
 * Three texts side by side: where one side changed the base, and where both
 * did. Pure.
 *
 * Source of the method: Khanna, Kunal and Pierce, "A Formal Investigation of
 * Diff3" (2007). As in diff3(1) and git-merge-file(1), changes that touch
 * without a line between them overlap; unlike in diff3(1), equal changes do not.
 */

import type { Budget } from './common-lines.ts'
import { diffLines } from './line-diff.ts'
import type { LineChange } from './line-diff.ts'

/** A run of lines: agreed on, or as each side has it. */
export type Region =
  | { readonly agreed: readonly string[] }
  | {
      readonly mine: readonly string[]
      readonly base: readonly string[]
      readonly theirs: readonly string[]
    }

/** The regions in order; together they cover all three texts. */
export const diff3 = (
  base: readonly string[],
  mine: readonly string[],
  theirs: readonly string[],
  budget?: Budget,
): Region[] => {
  const here = new Changes(diffLines(base, mine, budget), mine)
  const there = new Changes(diffLines(base, theirs, budget), theirs)
  const regions: Region[] = []
  let at = 0
  for (;;) {
    const begin = Math.min(here.nextBegin(), there.nextBegin())
    if (begin === Infinity) break
    if (begin > at) regions.push({ agreed: base.slice(at, begin) })
    let end = begin
    for (let last = -1; last !== end;) {
      last = end
      end = there.reach(here.reach(end))
    }
    regions.push(
      toRegion(
        base.slice(begin, end),
        here.take(begin, end),
        there.take(begin, end),
      ),
    )
    at = end
  }
  if (at < base.length) regions.push({ agreed: base.slice(at) })
  return regions
}

const toRegion = (
  base: readonly string[],
  mine: Taken,
  theirs: Taken,
): Region => {
  if (!theirs.isChanged) return { agreed: mine.lines }
  if (!mine.isChanged) return { agreed: theirs.lines }
  const isEqual =
    mine.lines.length === theirs.lines.length &&
    mine.lines.every((line, i) => line === theirs.lines[i])
  if (isEqual) return { agreed: mine.lines }
  return { mine: mine.lines, base, theirs: theirs.lines }
}

interface Taken {
  readonly isChanged: boolean
  readonly lines: readonly string[]
}

/** The changes of one side, taken from the first to the last. */
class Changes {
  readonly #changes: readonly LineChange[]
  readonly #lines: readonly string[]
  /** First change that is not taken, and first that was not reached. */
  #taken = 0
  #reached = 0
  /** How much further on this side is than the base. */
  #ahead = 0

  constructor(changes: readonly LineChange[], lines: readonly string[]) {
    this.#changes = changes
    this.#lines = lines
  }

  nextBegin(): number {
    return this.#changes[this.#taken]?.from ?? Infinity
  }

  /** The end of what is changed together with all up to `end` of the base. */
  reach(end: number): number {
    let far = end
    for (
      let next = this.#changes[this.#reached];
      next !== undefined && next.from <= far;
      next = this.#changes[++this.#reached]
    )
      far = Math.max(far, next.from + next.removed)
    return far
  }

  /** What stands in place of the lines `begin` to `end` of the base. */
  take(begin: number, end: number): Taken {
    const from = begin + this.#ahead
    for (let i = this.#taken; i < this.#reached; i++) {
      const { removed, added } = this.#changes[i] as LineChange
      this.#ahead += added - removed
    }
    const isChanged = this.#reached > this.#taken
    this.#taken = this.#reached
    return { isChanged, lines: this.#lines.slice(from, end + this.#ahead) }
  }
}
