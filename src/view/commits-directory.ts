/**
 * The directory `commits` of the view: a name for each commit of the
 * repository. A commit that is about to be pruned can be closed to those who
 * are not in it yet.
 */

import type { DirectorySink, Entry, Listed } from '../fuse/handler.ts'
import type { Invalidation } from '../fuse/notify.ts'
import { digestFromHex } from '../objects/digest.ts'
import { S_IFDIR } from '../objects/fs-object.ts'
import type { CommitStore } from '../store/commit-store.ts'
import { addDots, FIRST_COOKIE } from './attributes.ts'
import type { NodeObjects } from './node-objects.ts'
import { COMMITS } from './view-names.ts'
import type { ViewTop } from './view-top.ts'

export class CommitsDirectory {
  readonly #commits: Pick<CommitStore, 'has' | 'listHex'>
  readonly #top: ViewTop
  readonly #objects: NodeObjects
  /** Commits (hex) that are about to be pruned: nobody enters them now. */
  readonly #condemned = new Set<string>()

  constructor(
    commits: Pick<CommitStore, 'has' | 'listHex'>,
    top: ViewTop,
    objects: NodeObjects,
  ) {
    this.#commits = commits
    this.#top = top
    this.#objects = objects
  }

  /** Closes commits (hex) until `open`; returns those that the kernel knows. */
  condemn(commits: readonly string[]): string[] {
    return commits.filter(hex => {
      const id = digestFromHex(hex)
      if (id === undefined) return false
      this.#condemned.add(hex)
      return this.#objects.isEntered(id)
    })
  }

  /** Opens commits again; all where none are named. */
  open(commits: readonly string[] = [...this.#condemned]): void {
    for (const hex of commits) this.#condemned.delete(hex)
  }

  /** What makes the kernel let go of commits that nobody uses. */
  letGo(commits: readonly string[]): Invalidation[] {
    const parent = this.#top.directoryNode(COMMITS)
    return parent === undefined
      ? []
      : commits.map(name => ({ kind: 'entry', parent, name }))
  }

  /** The root of a commit; undefined: there is none that may be entered. */
  lookup(hex: string): Entry | undefined {
    const id = digestFromHex(hex)
    if (id === undefined || !this.#commits.has(id)) return undefined
    const isClosed = this.#condemned.has(hex) && !this.#objects.isEntered(id)
    return isClosed ? undefined : this.#objects.enterCommit(id)
  }

  /** Names alone: attributes would load every commit. */
  list(nodeId: number, cookie: number, sink: DirectorySink): void {
    if (!addDots(cookie, sink, this.#top.attributes(nodeId))) return
    const names = this.#commits.listHex()
    for (let i = Math.max(0, cookie - FIRST_COOKIE); i < names.length; i++) {
      const name = names[i] as string
      if (!sink.add(name, i + FIRST_COOKIE + 1, listedAs(name))) return
    }
  }
}

/** A directory, with a number that is none of its own. */
const listedAs = (hex: string): Listed => ({
  inoHigh: 0,
  inoLow: (Number.parseInt(hex.slice(0, 8), 16) | 1) >>> 0,
  mode: S_IFDIR,
})
