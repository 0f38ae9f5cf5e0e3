/**
 * Which lines two texts share: a longest common subsequence. Pure.
 *
 * Source of the method: Myers, "An O(ND) Difference Algorithm and Its
 * Variations" (1986), in linear space. Before it, what both texts begin and end
 * with is set aside, and so are lines that only one of them has: neither can
 * be matched otherwise. So the cost is that of the lines which moved, and it is
 * bounded: what is too different has no line in common, which is coarse but
 * never wrong.
 */

/** Counts down the steps that a comparison may still take. */
export interface Budget {
  steps: number
}

/**
 * The index in `b` of each line of `a` that is kept, or -1; ascending. Lines
 * are numbers below `distinct`, equal for equal lines.
 */
export const commonLines = (
  a: Int32Array,
  b: Int32Array,
  distinct: number,
  budget: Budget,
): Int32Array => new Comparison(a, b, budget).run(distinct)

/** A part of both texts. */
interface Box {
  readonly aBegin: number
  readonly aEnd: number
  readonly bBegin: number
  readonly bEnd: number
}

/** Where a shortest way from one text to the other is cut in two. */
interface Middle {
  readonly a: number
  readonly b: number
}

class Comparison {
  readonly #a: Int32Array
  readonly #b: Int32Array
  readonly #budget: Budget
  /** Index in `b` of each line of `a` that is kept, or -1. */
  readonly #kept: Int32Array

  constructor(a: Int32Array, b: Int32Array, budget: Budget) {
    this.#a = a
    this.#b = b
    this.#budget = budget
    this.#kept = new Int32Array(a.length).fill(-1)
  }

  run(distinct: number): Int32Array {
    const inner = this.#trim({
      aBegin: 0,
      aEnd: this.#a.length,
      bBegin: 0,
      bEnd: this.#b.length,
    })
    const { aBegin, aEnd, bBegin, bEnd } = inner
    const ofA: Run = { lines: this.#a, begin: aBegin, end: aEnd }
    const ofB: Run = { lines: this.#b, begin: bBegin, end: bEnd }
    const rows = withPartner(ofA, ofB, distinct)
    const columns = withPartner(ofB, ofA, distinct)
    const some = new Comparison(
      rows.map(row => this.#a[row] as number),
      columns.map(column => this.#b[column] as number),
      this.#budget,
    )
    some.#solve({
      aBegin: 0,
      aEnd: rows.length,
      bBegin: 0,
      bEnd: columns.length,
    })
    for (const [i, row] of rows.entries()) {
      const match = some.#kept[i] as number
      if (match >= 0) this.#kept[row] = columns[match] as number
    }
    return this.#kept
  }

  /** Keeps what both begin and end with; what is left between. */
  #trim({ aBegin, aEnd, bBegin, bEnd }: Box): Box {
    const [a, b] = [this.#a, this.#b]
    while (aBegin < aEnd && bBegin < bEnd && a[aBegin] === b[bBegin])
      this.#kept[aBegin++] = bBegin++
    while (aBegin < aEnd && bBegin < bEnd && a[aEnd - 1] === b[bEnd - 1])
      this.#kept[--aEnd] = --bEnd
    return { aBegin, aEnd, bBegin, bEnd }
  }

  #solve(box: Box): void {
    const inner = this.#trim(box)
    const { aBegin, aEnd, bBegin, bEnd } = inner
    if (aBegin === aEnd || bBegin === bEnd) return
    const middle = this.#middle(inner)
    // Too different: all of it is one change.
    if (middle === undefined) return
    this.#solve({ aBegin, aEnd: middle.a, bBegin, bEnd: middle.b })
    this.#solve({ aBegin: middle.a, aEnd, bBegin: middle.b, bEnd })
  }

  /**
   * Ways from both corners, a change longer at each turn, until two of them
   * meet. `forth` and `back` say by diagonal how far the ways have come in `a`.
   */
  #middle({ aBegin, aEnd, bBegin, bEnd }: Box): Middle | undefined {
    const [a, b, budget] = [this.#a, this.#b, this.#budget]
    const [n, m] = [aEnd - aBegin, bEnd - bBegin]
    const delta = n - m
    const isOdd = delta % 2 !== 0
    const longest = Math.ceil((n + m) / 2)
    const zero = longest + 1
    const forth = new Int32Array(2 * longest + 3)
    const back = new Int32Array(2 * longest + 3)
    for (let d = 0; d <= longest; d++) {
      const first = -d + 2 * Math.max(0, d - m)
      const last = d - 2 * Math.max(0, d - n)
      budget.steps -= 2 * (d + 1)
      if (budget.steps < 0) return undefined
      for (let k = first; k <= last; k += 2) {
        const begin = furthest(forth, zero + k, k === -d, k === d)
        let x = begin
        for (; x < n && x - k < m; x++)
          if (a[aBegin + x] !== b[bBegin + x - k]) break
        budget.steps -= x - begin
        forth[zero + k] = x
        const other = delta - k
        if (isOdd && Math.abs(other) < d && x + (back[zero + other] ?? 0) >= n)
          return { a: aBegin + x, b: bBegin + x - k }
      }
      for (let k = first; k <= last; k += 2) {
        const begin = furthest(back, zero + k, k === -d, k === d)
        let x = begin
        for (; x < n && x - k < m; x++)
          if (a[aEnd - 1 - x] !== b[bEnd - 1 - x + k]) break
        budget.steps -= x - begin
        back[zero + k] = x
        const other = delta - k
        if (
          !isOdd &&
          Math.abs(other) <= d &&
          x + (forth[zero + other] ?? 0) >= n
        )
          return { a: aEnd - x, b: bEnd - x + k }
      }
    }
    return undefined
  }
}

/** Where a way on a diagonal goes on from the better of its neighbours. */
const furthest = (
  ways: Int32Array,
  at: number,
  isLowest: boolean,
  isHighest: boolean,
): number => {
  const above = ways[at + 1] as number
  const below = ways[at - 1] as number
  return isLowest || (!isHighest && below < above) ? above : below + 1
}

/** Lines of one text, from `begin` to before `end`. */
interface Run {
  readonly lines: Int32Array
  readonly begin: number
  readonly end: number
}

/** Indexes of the lines that the other text has too. */
const withPartner = (
  { lines, begin, end }: Run,
  other: Run,
  distinct: number,
): Int32Array => {
  const isThere = new Uint8Array(distinct)
  for (const line of other.lines.subarray(other.begin, other.end))
    isThere[line] = 1
  const found: number[] = []
  for (let i = begin; i < end; i++)
    if (isThere[lines[i] as number] === 1) found.push(i)
  return Int32Array.from(found)
}
