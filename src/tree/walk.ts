/** Everything below a directory of a commit, in path order. */

import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { joinRaw } from './scan.ts'

export interface WalkedEntry {
  /** Raw path, relative to where the walk began. */
  readonly path: string
  readonly object: FsObject
}

/** Yields a directory before what is in it. */
export function* walkTree(
  repository: Repository,
  start: DirectoryObject,
  isRecursive = true,
  path = '',
): Generator<WalkedEntry, void, undefined> {
  for (const { name, object } of repository.loadTree(start.tree).entries) {
    const childPath = joinRaw(path, name)
    yield { path: childPath, object }
    if (isRecursive && object.kind === 'directory')
      yield* walkTree(repository, object, true, childPath)
  }
}
