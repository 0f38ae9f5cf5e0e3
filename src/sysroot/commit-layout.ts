/** What a commit has that can be deployed: /usr, defaults for /etc, a kernel. */

import { DendroError } from '../errors.ts'
import type { Commit } from '../objects/commit.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { DirectoryObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { lookUpPath } from '../tree/lookup.ts'

export interface CommitLayout {
  readonly id: Digest
  readonly commit: Commit
  readonly root: DirectoryObject
  /** Where the defaults stand. */
  readonly defaultsPath: 'usr/etc' | 'etc'
  readonly defaults: DirectoryObject
}

/** Why a commit cannot be deployed. */
export const notDeployable = (
  id: Digest,
  why: string,
  hint: string,
): DendroError =>
  new DendroError(
    'NOT_DEPLOYABLE',
    `cannot deploy ${digestToHex(id).slice(0, 12)}: ${why}`,
    { hint },
  )

/**
 * Checks that a commit can be deployed. An empty /etc is a mount point and not
 * defaults. Errors: `NOT_DEPLOYABLE`, damage.
 */
export const inspectCommit = (
  repository: Repository,
  id: Digest,
): CommitLayout => {
  const commit = repository.commits.load(id)
  const { root } = commit
  if (lookUpPath(repository, root, 'usr')?.kind !== 'directory')
    throw notDeployable(
      id,
      'it has no directory /usr',
      'commit the root directory of a system, not a part of it',
    )
  const directory = (path: string): DirectoryObject | undefined => {
    const object = lookUpPath(repository, root, path)
    return object?.kind === 'directory' ? object : undefined
  }
  const vendor = directory('usr/etc')
  const plain = directory('etc')
  const isPlainUsed =
    plain !== undefined && repository.loadTree(plain.tree).entries.length > 0
  if (vendor !== undefined && isPlainUsed)
    throw notDeployable(
      id,
      'it has files in both /etc and /usr/etc, and only one of them can be the defaults',
      'move what is in /etc to /usr/etc in the tree and commit it again',
    )
  if (vendor !== undefined)
    return { id, commit, root, defaultsPath: 'usr/etc', defaults: vendor }
  if (plain !== undefined)
    return { id, commit, root, defaultsPath: 'etc', defaults: plain }
  throw notDeployable(
    id,
    'it has neither /usr/etc nor /etc',
    'put the default configuration into /usr/etc, were it empty',
  )
}
