/**
 * One entry of the layer of an /etc, read as overlayfs reads it.
 *
 * Format: Documentation/filesystems/overlayfs.rst of the kernel. A character
 * device 0:0 hides the name below; a directory with `trusted.overlay.opaque`
 * hides all that is below it; one with `trusted.overlay.redirect` shows what is
 * below another name; a file with `trusted.overlay.metacopy` has the content
 * of the file below.
 */

import { DendroError, errnoOf } from '../errors.ts'
import { kindOfMode } from '../objects/fs-object.ts'
import type { Xattr } from '../objects/fs-object.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import type { FileStatus } from '../system/file-status.ts'
import {
  closeSync,
  constants,
  descriptorPath,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
} from '../system/files.ts'
import { O_PATH } from '../system/held-path.ts'
import { nextData } from '../system/next-data.ts'
import { readXattrs } from '../system/xattr.ts'
import { contentDigest } from './defaults.ts'
import { withMetadata } from './etc-node.ts'
import type { EtcFile, EtcMetadata, EtcNode, Piece } from './etc-node.ts'

const OVERLAY_XATTR = /^trusted\.overlay\./
const PIECE_BYTES = 256 * 1024
/** Files up to this size are read at once: /etc may change under the reader. */
const HELD_BYTES = 256 * 1024
const BLOCK_BYTES = 512

/** An entry of an upper directory. */
export type LayerEntry =
  | { readonly type: 'whiteout' }
  | {
      readonly type: 'node'
      readonly node: EtcNode
      readonly isOpaque: boolean
      /** Whether the node lacks the content, which is the one below. */
      readonly isMetacopy: boolean
      readonly redirect: string | undefined
    }

/** Undefined when it, or what it is in, is not there, or not any more. */
export const unlessGone = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    const errno = errnoOf(error)
    // ELOOP and ENOTDIR: something else came in its place.
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP')
      return undefined
    throw error
  }
}

/** Opens a directory again, for who reads a large file later; he closes it. */
export type Reopen = () => DirectoryHandle

/** What stands at `name`, or undefined. */
export const readEntry = (
  directory: DirectoryHandle,
  name: string,
  reopen: Reopen,
): LayerEntry | undefined =>
  unlessGone(() => readEntryIn(directory, name, reopen))

/** The open directory itself, as an entry of the one above it. */
export const readDirectoryEntry = (directory: DirectoryHandle): LayerEntry => {
  const xattrs = readXattrs(directory.itself)
  const metadata = metadataFrom(directory.status(), xattrs)
  return entryOfNode({ kind: 'directory', ...metadata })
}

const readEntryIn = (
  directory: DirectoryHandle,
  name: string,
  reopen: Reopen,
): LayerEntry => {
  const status = directory.status(name)
  if (isWhiteout(status)) return { type: 'whiteout' }
  const metadata = metadataFrom(status, readXattrs(directory.at(name)))
  const node =
    kindOfMode(status.mode) === 'file'
      ? readFile(directory, name, status, metadata, reopen)
      : readNode(directory, name, status, metadata)
  return entryOfNode(node)
}

const isWhiteout = (status: FileStatus): boolean =>
  kindOfMode(status.mode) === 'char' &&
  status.rdevMajor === 0 &&
  status.rdevMinor === 0

/** What overlayfs makes of a node as it stands in an upper directory. */
export const entryOfNode = (node: EtcNode): LayerEntry => {
  if (node.kind === 'char' && node.major === 0 && node.minor === 0)
    return { type: 'whiteout' }
  const value = (name: string) =>
    node.xattrs.find(xattr => xattr.name === `trusted.overlay.${name}`)?.value
  const { mode, uid, gid } = node
  const xattrs = node.xattrs.filter(({ name }) => !OVERLAY_XATTR.test(name))
  return {
    type: 'node',
    node: withMetadata(node, { mode, uid, gid, xattrs }),
    isOpaque: value('opaque') === 'y',
    isMetacopy: node.kind === 'file' && value('metacopy') !== undefined,
    redirect: value('redirect'),
  }
}

/** Whether chattr(1) made `name` immutable or append-only in the mounted overlay. */
export const isProtected = (
  directory: DirectoryHandle,
  name: string,
): boolean =>
  readXattrs(directory.at(name)).some(
    xattr => xattr.name === 'trusted.overlay.protattr',
  )

/** Whether the file `name` lacks its content, which is the one below. */
export const isMetacopyFile = (
  directory: DirectoryHandle,
  name: string,
): boolean =>
  readXattrs(directory.at(name)).some(
    xattr => xattr.name === 'trusted.overlay.metacopy',
  )

const metadataFrom = (
  status: FileStatus,
  xattrs: readonly Xattr[],
): EtcMetadata => ({
  mode: status.mode & 0o7777,
  uid: status.uid,
  gid: status.gid,
  xattrs,
})

/** Anything but a file. */
const readNode = (
  directory: DirectoryHandle,
  name: string,
  status: FileStatus,
  metadata: EtcMetadata,
): EtcNode => {
  const kind = kindOfMode(status.mode) ?? 'socket'
  switch (kind) {
    case 'symlink':
      return { kind, ...metadata, target: directory.readLink(name) }
    case 'char':
    case 'block':
      return {
        kind,
        ...metadata,
        major: status.rdevMajor,
        minor: status.rdevMinor,
      }
    case 'file':
      throw new TypeError('a file is read by readFile')
    case 'directory':
    case 'fifo':
    case 'socket':
      return { kind, ...metadata }
  }
}

const readFile = (
  directory: DirectoryHandle,
  name: string,
  status: FileStatus,
  metadata: EtcMetadata,
  reopen: Reopen,
): EtcFile => {
  if (status.sizeBytes > HELD_BYTES) {
    const openAgain = () => {
      const again = reopen()
      try {
        return openSame(again, name, status)
      } finally {
        again.close()
      }
    }
    return largeFile(metadata, openAgain, status)
  }
  const fd = openSame(directory, name, status)
  try {
    return smallFile(metadata, readFileSync(fd))
  } finally {
    closeSync(fd)
  }
}

const smallFile = (metadata: EtcMetadata, bytes: Buffer): EtcFile => {
  const piece = { offsetBytes: 0, bytes }
  let known: string | undefined
  return {
    kind: 'file',
    ...metadata,
    sizeBytes: bytes.length,
    pieces: () => [piece],
    get digest() {
      return (known ??= contentDigest([piece], bytes.length))
    },
  }
}

const largeFile = (
  metadata: EtcMetadata,
  open: () => number,
  status: FileStatus,
): EtcFile => {
  const pieces = () => filePieces(open, status)
  let known: string | undefined
  return {
    kind: 'file',
    ...metadata,
    sizeBytes: status.sizeBytes,
    pieces,
    get digest() {
      return (known ??= contentDigest(pieces(), status.sizeBytes))
    },
  }
}

/**
 * Opens for reading what was a regular file a moment ago, and is the same: a
 * device or a pipe that came in its place is not even opened.
 * Errors: `SOURCE_CHANGED`.
 */
const openSame = (
  directory: DirectoryHandle,
  name: string,
  status: FileStatus,
): number => {
  const held = openSync(directory.at(name), O_PATH | constants.O_NOFOLLOW)
  try {
    const isSame = isStill(held, status)
    if (isSame) return openSync(descriptorPath(held), constants.O_RDONLY)
  } finally {
    closeSync(held)
  }
  throw new DendroError('SOURCE_CHANGED', `cannot read ${name}: it changed`, {
    hint: 'try again',
  })
}

const isStill = (fd: number, status: FileStatus): boolean => {
  const { dev, ino } = fstatSync(fd, { bigint: true })
  const was = (BigInt(status.inoHigh) << 32n) | BigInt(status.inoLow)
  return Number(dev) === status.dev && BigInt.asUintN(64, ino) === was
}

/** The bytes of a file without its holes. */
function* filePieces(open: () => number, status: FileStatus): Generator<Piece> {
  const fd = open()
  const isSparse = status.blocks * BLOCK_BYTES < status.sizeBytes
  try {
    for (let at = 0; at < status.sizeBytes;) {
      if (isSparse) {
        at = nextData(fd, at)
        if (at >= status.sizeBytes) return
      }
      const bytes = Buffer.allocUnsafe(PIECE_BYTES)
      const count = readSync(fd, bytes, 0, PIECE_BYTES, at)
      if (count === 0) return
      yield { offsetBytes: at, bytes: bytes.subarray(0, count) }
      at += count
    }
  } finally {
    closeSync(fd)
  }
}
