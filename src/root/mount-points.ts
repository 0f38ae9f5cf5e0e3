/**
 * What a commit has where a root mounts something. A link there would lead the
 * mount elsewhere: out of the root, or to what is not there.
 */

import { posix } from 'node:path'
import { latin1ToDisplay } from '../bytes/latin1.ts'
import type { FsObject } from '../objects/fs-object.ts'
import type { TreeLoader } from '../store/object-reader.ts'
import { followPath } from '../tree/commit-file.ts'
import { notDeployable } from '../sysroot/commit-layout.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'

/** Mount points that a root needs whatever the commit has, with their permissions. */
export const MOUNT_POINTS: ReadonlyMap<string, number> = new Map([
  ['dev', 0o755],
  ['etc', 0o755],
  ['proc', 0o555],
  ['run', 0o755],
  ['sys', 0o555],
  ['tmp', 0o1777],
  ['var', 0o755],
])

/** Where a link in the root directory leads, as a path without links. */
const leadsTo = (target: string): string => posix.join('/', target).slice(1)

/** Where a link `target` that is /tmp leads, if that is made when it is not there. */
export const placeOfTmp = (
  target: string,
): 'var/tmp' | 'sysroot/tmp' | undefined => {
  const place = leadsTo(target)
  return place === 'var/tmp' || place === 'sysroot/tmp' ? place : undefined
}

/** Whether a link `name` of the root directory gives way to a directory. */
export const isReplaced = (
  layout: CommitLayout,
  name: string,
  object: FsObject,
): boolean =>
  name === 'etc' &&
  object.kind === 'symlink' &&
  leadsTo(object.target) === layout.defaultsPath

/**
 * Checks that a root of the commit can be put together.
 * Errors: `NOT_DEPLOYABLE`.
 */
export const requireMountPoints = (
  store: TreeLoader,
  layout: CommitLayout,
): void => {
  const { root } = layout
  const top = store.loadTree(root.tree)
  const isEmpty = (name: string): boolean => {
    const object = top.get(name)?.object
    return (
      object?.kind !== 'directory' ||
      store.loadTree(object.tree).entries.length === 0
    )
  }
  const isLedInside = (target: string): boolean => {
    if (followPath(store, root, 'tmp')?.kind === 'directory') return true
    const place = placeOfTmp(target)
    return place === 'sysroot/tmp' ? isEmpty('sysroot') : place !== undefined
  }
  for (const name of [...MOUNT_POINTS.keys(), 'sysroot']) {
    const object = top.get(name)?.object
    if (object === undefined || object.kind === 'directory') continue
    if (isReplaced(layout, name, object)) continue
    const target = object.kind === 'symlink' ? object.target : undefined
    if (name === 'tmp' && target !== undefined && isLedInside(target)) continue
    const what =
      target === undefined
        ? `a ${object.kind}`
        : `a link to ${latin1ToDisplay(target)}`
    throw notDeployable(
      layout.id,
      `its /${name} is ${what}, and something has to be mounted there`,
      `make /${name} a directory in the tree and commit it again`,
    )
  }
}
