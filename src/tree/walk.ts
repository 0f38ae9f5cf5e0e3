/** Everything below a directory of a commit, in path order. */

import { DendroError } from '../errors.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { joinRaw } from './scan.ts'

export interface WalkedEntry {
  /** Raw path, relative to where the walk began. */
  readonly path: string
  readonly object: FsObject
}

/**
 * Directories below one another: more than a path of PATH_MAX can name. Only a
 * repository that was made to do harm has them.
 */
const MAX_DEPTH = 2048

/**
 * Refuses a path that goes too deep. Errors: `LIMIT_EXCEEDED`.
 */
export const checkDepth = (depth: number): void => {
  if (depth > MAX_DEPTH)
    throw new DendroError(
      'LIMIT_EXCEEDED',
      `directories are nested deeper than ${MAX_DEPTH}`,
      { hint: 'no file system can name what is below: the tree is not sound' },
    )
}

/** Yields a directory before what is in it. Errors: `LIMIT_EXCEEDED`. */
export function* walkTree(
  repository: Repository,
  start: DirectoryObject,
  isRecursive = true,
  path = '',
  depth = 0,
): Generator<WalkedEntry, void, undefined> {
  checkDepth(depth)
  for (const { name, object } of repository.loadTree(start.tree).entries) {
    const childPath = joinRaw(path, name)
    yield { path: childPath, object }
    if (isRecursive && object.kind === 'directory')
      yield* walkTree(repository, object, true, childPath, depth + 1)
  }
}
