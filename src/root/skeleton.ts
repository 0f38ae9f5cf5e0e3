/**
 * The root directory of a root: a small tmpfs with the links and mount points,
 * so that commits need not have them.
 */

import {
  chmodSync,
  chownSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from '../system/files.ts'
import { join } from 'node:path'
import { bytesToText } from '../bytes/byte-text.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { MS_NODEV, MS_RDONLY, mountAt } from '../system/mounts.ts'
import type { DirectoryObject } from '../objects/fs-object.ts'
import type { TreeLoader } from '../store/object-reader.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'
import { isReplaced, MOUNT_POINTS } from './mount-points.ts'
import { RootMounts } from './root-mounts.ts'

/** Makes the root directory of `layout` at `target`; `commit` is its path in the view. */
export const makeSkeleton = (
  store: TreeLoader,
  commit: string,
  layout: CommitLayout,
  target: string,
): RootMounts => {
  const { root } = layout
  const mode = (root.mode & 0o7777).toString(8)
  mountAt('dendro-root', target, 'tmpfs', MS_NODEV, `mode=${mode},size=1m`)
  const mounts = new RootMounts(target)
  const { top } = mounts
  chownSync(target, root.uid, root.gid)
  const tree = store.loadTree(root.tree)
  for (const { name, object } of tree.entries) {
    const source = join(commit, bytesToText(latin1ToBytes(name)))
    if (object.kind === 'symlink') {
      if (!isReplaced(layout, name, object))
        symlinkSync(latin1ToBytes(object.target), top.at(name))
    } else if (object.kind === 'directory') {
      makeDirectory(top, name, object)
      const isEmpty = store.loadTree(object.tree).entries.length === 0
      if (!isEmpty && !MOUNT_POINTS.has(name))
        mounts.bind(
          source,
          bytesToText(latin1ToBytes(name)),
          MS_RDONLY | MS_NODEV,
        )
    } else if (object.kind === 'file') {
      writeFileSync(top.at(name), '')
      mounts.bindFile(source, name, MS_RDONLY | MS_NODEV)
    }
  }
  makeMountPoints(mounts)
  return mounts
}

const makeDirectory = (
  top: DirectoryHandle,
  name: string,
  { uid, gid, mode }: Pick<DirectoryObject, 'uid' | 'gid' | 'mode'>,
): void => {
  const path = top.at(name)
  mkdirSync(path)
  chownSync(path, uid, gid)
  chmodSync(path, mode & 0o7777)
}

export const makeMountPoints = (mounts: RootMounts): void => {
  const { top } = mounts
  for (const [name, mode] of MOUNT_POINTS)
    if (top.find(name) === undefined)
      makeDirectory(top, name, { uid: 0, gid: 0, mode })
  if (mounts.placeOfTmp() === 'sysroot/tmp') makeTmp(top, 'sysroot')
}

/** Makes `tmp` in the directory `place` of the root, unless it is there. */
export const makeTmp = (top: DirectoryHandle, place: string): void => {
  if (top.find(place) === undefined)
    makeDirectory(top, place, { uid: 0, gid: 0, mode: 0o755 })
  const directory = top.child(place)
  try {
    if (directory.find('tmp') === undefined)
      makeDirectory(directory, 'tmp', { uid: 0, gid: 0, mode: 0o1777 })
  } finally {
    directory.close()
  }
}
