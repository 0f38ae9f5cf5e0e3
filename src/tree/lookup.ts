/** Paths inside a commit: from bytes to the object that stands there. */

import { DendroError } from '../errors.ts'
import { latin1ToDisplay } from '../bytes/latin1.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import type { TreeLoader } from '../store/object-reader.ts'

/** Components of a raw path; empty ones and `.` are dropped. */
export const splitPath = (path: string): string[] =>
  path.split('/').filter(part => part !== '' && part !== '.')

/**
 * The object at `path` (raw) below `root`, without following links; undefined
 * when there is none.
 */
export const lookUpPath = (
  store: TreeLoader,
  root: DirectoryObject,
  path: string,
): FsObject | undefined => {
  let object: FsObject = root
  for (const name of splitPath(path)) {
    if (object.kind !== 'directory') return undefined
    const entry = store.loadTree(object.tree).get(name)
    if (entry === undefined) return undefined
    object = entry.object
  }
  return object
}

/** As `lookUpPath`. Errors: `NOT_FOUND`. */
export const requirePath = (
  store: TreeLoader,
  root: DirectoryObject,
  path: string,
): FsObject => {
  const object = lookUpPath(store, root, path)
  if (object !== undefined) return object
  throw new DendroError(
    'NOT_FOUND',
    `cannot find ${latin1ToDisplay(path)}: the commit has no such path`,
    { hint: 'dendro ls REV lists what it has' },
  )
}
