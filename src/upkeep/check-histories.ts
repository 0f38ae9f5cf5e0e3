/** Checks that what follows each commit is there, and comes to an end. */

import { isDamage } from '../errors.ts'
import type { Commit } from '../objects/commit.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { followHistory } from '../store/grafts.ts'
import type { Grafts } from '../store/grafts.ts'
import { damageOf } from './findings.ts'
import type { Finding } from './findings.ts'

export interface CheckedHistories {
  readonly findings: readonly Finding[]
  /** Commits whose first parent is missing without a word about it. */
  readonly cut: readonly Digest[]
  /** Commits of histories that grafts lead in a circle. */
  readonly circles: readonly Digest[]
}

/**
 * `good` are the commits that can be read, `isThere` tells of any. Without
 * grafts nobody knows what was cut on purpose.
 */
export const checkHistories = (
  good: ReadonlyMap<Digest, Commit>,
  grafts: Grafts | undefined,
  isThere: (id: Digest) => boolean,
): CheckedHistories => {
  const findings: Finding[] = []
  const next = (id: Digest): Digest | undefined =>
    grafts?.has(id) === true ? grafts.get(id) : good.get(id)?.parents[0]
  const cut: Digest[] = []
  for (const id of good.keys()) {
    const following = next(id)
    if (following === undefined || isThere(following)) continue
    cut.push(id)
    if (grafts === undefined) continue
    findings.push({
      severity: 'damage',
      subject: 'history',
      message: `commit ${digestToHex(id)} follows ${digestToHex(following)}, which is missing and was not pruned`,
      digest: id,
    })
  }
  const circles = findCircles([...good.keys()], next, finding =>
    findings.push(finding),
  )
  return { findings, cut, circles }
}

/** Each history is followed until it meets one that was followed before. */
const findCircles = (
  starts: readonly Digest[],
  next: (id: Digest) => Digest | undefined,
  note: (finding: Finding) => void,
): Digest[] => {
  const followed = new Set<Digest>()
  const circles: Digest[] = []
  for (const start of starts) {
    const met: Digest[] = []
    try {
      for (const id of followHistory(start, next)) {
        if (followed.has(id)) break
        met.push(id)
      }
    } catch (error) {
      if (!isDamage(error)) throw error
      note(damageOf('history', error, { digest: start }))
      circles.push(...met)
    }
    for (const id of met) followed.add(id)
  }
  return circles
}
