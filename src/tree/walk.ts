/** Everything below a directory of a commit, in path order. */

import { DendroError } from '../errors.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import { MAX_DEPTH } from '../objects/limits.ts'
import type { TreeEntry } from '../objects/tree.ts'
import type { TreeLoader } from '../store/object-reader.ts'
import { joinRaw } from './raw-path.ts'

export interface WalkedEntry {
  /** Raw path, relative to where the walk began. */
  readonly path: string
  readonly object: FsObject
}

/**
 * Refuses a path that goes too deep: only a repository that was made to do harm
 * has one. Errors: `LIMIT_EXCEEDED`.
 */
export const checkDepth = (depth: number): void => {
  if (depth > MAX_DEPTH)
    throw new DendroError(
      'LIMIT_EXCEEDED',
      `directories are nested deeper than ${MAX_DEPTH}`,
      { hint: 'no file system can name what is below: the tree is not sound' },
    )
}

/** A directory that the walk is in. */
interface Level {
  readonly path: string
  readonly entries: readonly TreeEntry[]
  next: number
}

/** Yields a directory before what is in it. Errors: `LIMIT_EXCEEDED`. */
export function* walkTree(
  store: TreeLoader,
  start: DirectoryObject,
  isRecursive = true,
): Generator<WalkedEntry, void, undefined> {
  const levels: Level[] = []
  const enter = (directory: DirectoryObject, path: string): void => {
    checkDepth(levels.length)
    const { entries } = store.loadTree(directory.tree)
    levels.push({ path, entries, next: 0 })
  }
  enter(start, '')
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const entry = level.entries[level.next++]
    if (entry === undefined) {
      levels.pop()
      continue
    }
    const { name, object } = entry
    const path = joinRaw(level.path, name)
    yield { path, object }
    if (isRecursive && object.kind === 'directory') enter(object, path)
  }
}
