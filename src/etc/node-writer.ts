/** Writes nodes of an /etc to a file system, through the door of disk.ts. */

import {
  chmodSync,
  lchownSync,
  lstatSync,
  readdirSync,
} from '../system/files.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK } from '../objects/fs-object.ts'
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
import { readXattrs, writeXattr } from '../system/xattr.ts'
import { check, shim } from '../system/native.ts'
import type { EtcFile, EtcNode } from './etc-node.ts'

/** Makes `node` at `full` (raw path), where nothing stands; durable but for its name. */
export const makeEtcNode = (full: string, node: EtcNode): void => {
  const path = latin1ToBytes(full)
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
export const makeWhiteout = (full: string): void =>
  makeNode(latin1ToBytes(full), S_IFCHR, 0, 0)

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

/** Owner, xattrs and mode of what stands at `path`; xattrs it has besides go. */
export const setMetadata = (path: Buffer, node: EtcNode): void =>
  setAttributes(path, () => {
    lchownSync(path, node.uid, node.gid)
    const wanted = new Set(node.xattrs.map(({ name }) => name))
    for (const { name } of readXattrs(path))
      if (!wanted.has(name) && !/^(?:trusted|user)\.overlay\./.test(name))
        check(
          shim().lremovexattr(path, latin1ToBytes(name)),
          `cannot remove xattr ${name} of ${path.toString()}`,
        )
    for (const { name, value } of node.xattrs) writeXattr(path, name, value)
    if (node.kind !== 'symlink') chmodSync(path, node.mode)
  })

const SLASH = Buffer.from('/')

/** Removes what stands at `path` with all that is in it; follows no link. */
export const removeEtcNode = (path: Buffer): void => {
  if (lstatSync(path).isDirectory()) {
    for (const name of readdirSync(path, { encoding: 'buffer' }))
      removeEtcNode(Buffer.concat([path, SLASH, name]))
    removeDirectory(path)
  } else unlinkFile(path)
}
