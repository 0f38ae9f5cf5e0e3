/** What changed between two texts, line by line, in bounded time. Pure. */

import { commonLines } from './common-lines.ts'
import type { Budget } from './common-lines.ts'

/** `removed` lines at `from` gave way to `added` lines at `to`; counted from 0. */
export interface LineChange {
  readonly from: number
  readonly removed: number
  readonly to: number
  readonly added: number
}

/** A fraction of a second; texts that a person edits take a thousandth of it. */
const MAX_STEPS = 1 << 25

/**
 * The changes from `before` to `after`, in order; between two of them is a line
 * that is kept. One that could stand at several places (equal lines around it)
 * stands at the last of them, so that equal changes of two sides look equal.
 */
export const diffLines = (
  before: readonly string[],
  after: readonly string[],
  budget: Budget = { steps: MAX_STEPS },
): LineChange[] => {
  const numbers = new Map<string, number>()
  const a = numbered(before, numbers)
  const b = numbered(after, numbers)
  const kept = commonLines(a, b, numbers.size, budget)
  return slideDown(changesOf(kept, a.length, b.length), a, b, budget)
}

/** Equal lines get equal numbers. */
const numbered = (
  lines: readonly string[],
  numbers: Map<string, number>,
): Int32Array =>
  Int32Array.from(lines, line => {
    const known = numbers.get(line)
    if (known !== undefined) return known
    numbers.set(line, numbers.size)
    return numbers.size - 1
  })

/** What lies between the lines that are kept. */
const changesOf = (
  kept: Int32Array,
  aLength: number,
  bLength: number,
): LineChange[] => {
  const changes: LineChange[] = []
  let [from, to] = [0, 0]
  const close = (aEnd: number, bEnd: number): void => {
    if (aEnd > from || bEnd > to)
      changes.push({ from, removed: aEnd - from, to, added: bEnd - to })
  }
  for (const [i, match] of kept.entries()) {
    if (match < 0) continue
    close(i, match)
    from = i + 1
    to = match + 1
  }
  close(aLength, bLength)
  return changes
}

/** Moves what was only added, or only removed, to the last place that says the same. */
const slideDown = (
  changes: readonly LineChange[],
  a: Int32Array,
  b: Int32Array,
  budget: Budget,
): LineChange[] => {
  const out: LineChange[] = []
  // From the last to the first: a change may come to touch the one behind it.
  for (const change of [...changes].reverse()) {
    let { from, removed, to, added } = change
    let next = out.at(-1)
    const limit = () => next?.from ?? a.length
    for (;;) {
      if (from + removed === limit() && next !== undefined) {
        removed += next.removed
        added += next.added
        out.pop()
        next = out.at(-1)
      }
      const canSlide =
        from + removed < limit() &&
        (removed === 0
          ? b[to] === b[to + added]
          : added === 0 && a[from] === a[from + removed])
      if (!canSlide || budget.steps-- < 0) break
      from++
      to++
    }
    out.push({ from, removed, to, added })
  }
  return out.reverse()
}
