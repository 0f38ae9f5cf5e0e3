/**
 * Writes nodes of an /etc to a file system, through the door of disk.ts. Where
 * a node stands is said by an open directory and one name, so that nobody who
 * changes that /etc meanwhile has anything written elsewhere.
 */

import { latin1ToBytes } from '../bytes/latin1.ts'
import {
  kindOfMode,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFSOCK,
} from '../objects/fs-object.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import {
  chmodSync,
  closeSync,
  constants,
  descriptorPath,
  lchownSync,
  openSync,
} from '../system/files.ts'
import { O_PATH } from '../system/held-path.ts'
import { DirectoryStack } from '../system/directory-stack.ts'
import {
  closeFile,
  createFile,
  makeDirectory,
  makeNode,
  makeSymlink,
  removeDirectory,
  setAttributes,
  setLength,
  syncFile,
  unlinkFile,
} from '../system/disk.ts'
import { writeFully } from '../system/durable-file.ts'
import { dropXattr, readXattrs, writeXattr } from '../system/xattr.ts'
import type { EtcFile, EtcNode } from './etc-node.ts'

/** Makes `node` at `name`, where nothing stands; durable but for its name. */
export const makeEtcNode = (
  directory: DirectoryHandle,
  name: string,
  node: EtcNode,
): void => {
  const path = directory.at(name)
  switch (node.kind) {
    case 'file':
      makeFile(path, node)
      return
    case 'directory':
      makeDirectory(path, 0o700)
      break
    case 'symlink':
      makeSymlink(latin1ToBytes(node.target), path)
      break
    case 'char':
      makeNode(path, S_IFCHR | 0o600, node.major, node.minor)
      break
    case 'block':
      makeNode(path, S_IFBLK | 0o600, node.major, node.minor)
      break
    case 'fifo':
      makeNode(path, S_IFIFO | 0o600, 0, 0)
      break
    case 'socket':
      makeNode(path, S_IFSOCK | 0o600, 0, 0)
      break
  }
  setMetadata(path, node)
}

/** A character device 0:0 hides a name of the layer below. */
export const makeWhiteout = (directory: DirectoryHandle, name: string): void =>
  makeNode(directory.at(name), S_IFCHR, 0, 0)

const makeFile = (path: Buffer, file: EtcFile): void => {
  const fd = createFile(path, 0o600)
  try {
    let end = 0
    for (const { offsetBytes, bytes } of file.pieces()) {
      writeFully(fd, bytes, offsetBytes)
      end = offsetBytes + bytes.length
    }
    if (end !== file.sizeBytes) setLength(fd, path, file.sizeBytes)
    setMetadata(path, file)
    syncFile(fd)
  } finally {
    closeFile(fd)
  }
}

/**
 * Owner, xattrs and mode of what stands at `path`, a name in an open directory
 * or that directory itself; xattrs it has besides go. A link is not followed.
 */
export const setMetadata = (path: Buffer, node: EtcNode): void =>
  setAttributes(path, () => {
    lchownSync(path, node.uid, node.gid)
    const wanted = new Set(node.xattrs.map(({ name }) => name))
    for (const { name } of readXattrs(path))
      if (!wanted.has(name) && !/^trusted\.overlay\./.test(name))
        dropXattr(path, name)
    for (const { name, value } of node.xattrs) writeXattr(path, name, value)
    if (node.kind !== 'symlink') setMode(path, node.mode)
  })

/** chmod(2) follows a link, so the file is held before it is told of. */
const setMode = (path: Buffer, mode: number): void => {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW)
  try {
    chmodSync(descriptorPath(fd), mode)
  } finally {
    closeSync(fd)
  }
}

/** What is still to be removed in a directory that was entered. */
interface Level {
  readonly name: string
  readonly directories: string[]
}

/** Removes what stands at `name` with all that is in it; follows no link. */
export const removeEtcNode = (
  directory: DirectoryHandle,
  name: string,
): void => {
  if (kindOfMode(directory.status(name).mode) !== 'directory') {
    unlinkFile(directory.at(name))
    return
  }
  const stack = new DirectoryStack(directory)
  const enter = (child: string): Level => ({
    name: child,
    directories: removeFiles(stack.enter(child)),
  })
  try {
    const levels = [enter(name)]
    for (let level = levels[0]; level !== undefined; level = levels.at(-1)) {
      const next = level.directories.pop()
      if (next !== undefined) {
        levels.push(enter(next))
        continue
      }
      levels.pop()
      stack.leave()
      removeDirectory(stack.top.at(level.name))
    }
  } finally {
    stack.close()
  }
}

/** Removes all but the directories; their names. */
const removeFiles = (directory: DirectoryHandle): string[] => {
  const directories: string[] = []
  for (const entry of directory.list())
    if (entry.isDirectory()) directories.push(entry.name)
    else unlinkFile(directory.at(entry.name))
  return directories
}
