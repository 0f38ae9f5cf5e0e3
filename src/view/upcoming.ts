/**
 * The directories that a walk comes to next. Pure.
 *
 * Programs walk depth first, in the order of the listing; so what was listed
 * last is entered first. How many are prepared grows as guesses come true.
 */

import type { Digest } from '../objects/digest.ts'
import type { NodeKey } from './node-kind.ts'

export interface UpcomingDirectory {
  readonly tree: Digest
  readonly path: NodeKey
}

const MAX_EXPECTED = 4096
const MAX_CREDIT = 8

interface Expected extends UpcomingDirectory {
  isPrepared: boolean
}

/** Directories that are prepared of a commit that was just entered. */
const MAX_EXPLORED = 128

export class Upcoming {
  /** Of commits that were entered: what to look at while nothing else is to do. */
  #unexplored: UpcomingDirectory[] = []
  #toExplore = 0

  /** The last one is the next one. */
  #expected: Expected[] = []
  #credit = 1

  /** A directory is listed from its beginning. */
  arrived(tree: Digest, path: NodeKey): void {
    const expected = this.#expected
    const first = Math.max(0, expected.length - MAX_CREDIT)
    for (let i = expected.length - 1; i >= first; i--) {
      const { tree: known, path: itsPath } = expected[i] as Expected
      if (known !== tree || itsPath[0] !== path[0]) continue
      expected.length = i
      this.#credit = Math.min(MAX_CREDIT, this.#credit * 2)
      return
    }
    this.#expected = []
    this.#credit = 1
  }

  /** To be called for the subdirectories of what was listed, the last first. */
  expect(tree: Digest, path: NodeKey): void {
    if (this.#expected.length >= MAX_EXPECTED)
      this.#expected = this.#expected.slice(MAX_EXPECTED / 2)
    this.#expected.push({ tree, path, isPrepared: false })
  }

  /** The next one that is not prepared, which the caller now does. */
  next(): UpcomingDirectory | undefined {
    const expected = this.#expected
    const first = Math.max(0, expected.length - this.#credit)
    for (let i = expected.length - 1; i >= first; i--) {
      const one = expected[i] as Expected
      if (one.isPrepared) continue
      one.isPrepared = true
      return one
    }
    return undefined
  }

  /** A commit was entered for the first time: its first directories are looked at. */
  entered(tree: Digest, path: NodeKey): void {
    this.#unexplored = [{ tree, path }]
    this.#toExplore = MAX_EXPLORED
  }

  /** The next directory of a commit that was entered. */
  explore(): UpcomingDirectory | undefined {
    if (this.#toExplore === 0) this.#unexplored = []
    this.#toExplore = Math.max(0, this.#toExplore - 1)
    return this.#unexplored.pop()
  }

  /** What stands in a directory that was explored; the last first. */
  found(tree: Digest, path: NodeKey): void {
    if (this.#toExplore > 0) this.#unexplored.push({ tree, path })
  }
}
