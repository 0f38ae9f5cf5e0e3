/**
 * What commits bring that deployments are made of: layout, kernel, os-release.
 * A commit never changes, so each is read once.
 */

import { isDamage } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import type { DirectoryObject } from '../objects/fs-object.ts'
import { osRelease } from '../packages/os-release.ts'
import type { Repository } from '../store/repository.ts'
import { findKernel } from './commit-boot.ts'
import type { CommitKernel } from './commit-boot.ts'
import { inspectCommit } from './commit-layout.ts'
import type { CommitLayout } from './commit-layout.ts'

/** Keeps what `read` finds for a key; where it finds nothing it is asked again. */
const once = <T>(
  known: Map<Digest, NonNullable<T>>,
  key: Digest,
  read: (key: Digest) => T,
): T => {
  const found = known.get(key)
  if (found !== undefined) return found
  const made = read(key)
  if (made !== undefined && made !== null) known.set(key, made)
  return made
}

export class DeployableCommits {
  readonly #repository: Repository
  readonly #layouts = new Map<Digest, CommitLayout>()
  readonly #roots = new Map<Digest, DirectoryObject>()
  readonly #kernels = new Map<Digest, CommitKernel>()
  readonly #releases = new Map<Digest, ReadonlyMap<string, string>>()

  constructor(repository: Repository) {
    this.#repository = repository
  }

  /** Checks that a commit can be deployed. Errors: `NOT_DEPLOYABLE`, damage. */
  layout(commit: Digest): CommitLayout {
    return once(this.#layouts, commit, id => {
      const layout = inspectCommit(this.#repository, id)
      this.#roots.set(id, layout.root)
      return layout
    })
  }

  /** The root of a commit; undefined where the commit is damaged or missing. */
  root(commit: Digest): DirectoryObject | undefined {
    return once(this.#roots, commit, id => {
      try {
        return this.#repository.commits.load(id).root
      } catch (error) {
        if (!isDamage(error)) throw error
        return undefined
      }
    })
  }

  /** The newest kernel of a commit, if it has one. Errors: damage below its root. */
  kernel(commit: Digest): CommitKernel | undefined {
    return once(this.#kernels, commit, id => {
      const root = this.root(id)
      return root && findKernel(this.#repository, root)
    })
  }

  /** `ID` and the like of os-release(5); undefined where the commit is damaged. */
  release(commit: Digest): ReadonlyMap<string, string> | undefined {
    return once(this.#releases, commit, id => {
      const root = this.root(id)
      return root && osRelease(this.#repository, root)
    })
  }
}
