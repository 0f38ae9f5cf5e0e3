/**
 * The file object: everything `lstat`, `read` and `getxattr` can tell of one
 * file, directory or special file, except its name.
 *
 * Two names are the same file object exactly when their encodings are equal.
 * Format: docs/formats/file-object.md
 */

import type { MsgpackReader } from '../bytes/msgpack-reader.ts'
import type { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import type { Digest } from './digest.ts'
import { checkFsObject } from './check-object.ts'
import { DIGEST_BYTES, toDigest } from './digest.ts'
import {
  countDataBytes,
  decodeExtents,
  encodeExtents,
  extentsLength,
} from './extents.ts'
import type { Extent } from './extents.ts'
import {
  LINK_GROUP_BYTES,
  MAX_DEVICE_MAJOR,
  MAX_DEVICE_MINOR,
  MAX_ID,
  MAX_INLINE_EXTENTS,
  MAX_MODE,
  MAX_NLINK,
  MAX_NSEC,
  MAX_TARGET_BYTES,
  MAX_XATTR_NAME_BYTES,
  MAX_XATTR_VALUE_BYTES,
  MAX_XATTRS,
} from './limits.ts'
import { kindOfMode } from './mode.ts'

export * from './mode.ts'

/** An extended attribute; name and value are bytes as latin1 text. */
export interface Xattr {
  readonly name: string
  readonly value: string
}

export interface Metadata {
  /** The full `st_mode`: type and permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970, negative before. */
  readonly mtimeSec: number
  readonly mtimeNsec: number
  /** Sorted by name, no name twice. */
  readonly xattrs: readonly Xattr[]
}

/** Names of one inode: how many in the tree, and which inode among equals. */
export interface HardLinks {
  readonly nlink: number
  /** 16 bytes that tell this group of names from another of equal content. */
  readonly group: string
}

interface Linkable extends Metadata {
  /** Undefined for an object with one name. */
  readonly links: HardLinks | undefined
}

export interface FileObject extends Linkable {
  readonly kind: 'file'
  readonly sizeBytes: number
  /** Bytes that are not in holes. */
  readonly dataBytes: number
  /** The content, or the digest of an extent list that holds it. */
  readonly content: readonly Extent[] | Digest
}

export interface SymlinkObject extends Linkable {
  readonly kind: 'symlink'
  readonly target: string
}

export interface DirectoryObject extends Metadata {
  readonly kind: 'directory'
  readonly tree: Digest
  /** Entries of the tree that are directories: `st_nlink` less 2. */
  readonly subdirectories: number
}

export interface DeviceObject extends Linkable {
  readonly kind: 'char' | 'block'
  readonly major: number
  readonly minor: number
}

export interface EndpointObject extends Linkable {
  readonly kind: 'fifo' | 'socket'
}

export type FsObject =
  FileObject | SymlinkObject | DirectoryObject | DeviceObject | EndpointObject

/** `st_nlink`: what the committed tree had. */
export const nlinkOf = (object: FsObject): number =>
  object.kind === 'directory'
    ? 2 + object.subdirectories
    : (object.links?.nlink ?? 1)

/** `st_size`: bytes of a file, of a link's target; 4096 for a directory, as on ext4. */
export const sizeOf = (object: FsObject): number =>
  object.kind === 'file'
    ? object.sizeBytes
    : object.kind === 'symlink'
      ? object.target.length
      : object.kind === 'directory'
        ? 4096
        : 0

/**
 * Writes the canonical encoding of `object`. Errors: `LIMIT_EXCEEDED` for what
 * a reader would refuse, before anything is written.
 */
export const encodeFsObject = (
  writer: MsgpackWriter,
  object: FsObject,
): void => {
  checkFsObject(object)
  writer.array(8)
  writer.uint(object.mode)
  writer.uint(object.uid)
  writer.uint(object.gid)
  writer.int(object.mtimeSec)
  writer.uint(object.mtimeNsec)
  encodeXattrs(writer, object.xattrs)
  if (object.kind === 'directory' || object.links === undefined) writer.nil()
  else {
    writer.array(2)
    writer.uint(object.links.nlink)
    writer.binary(object.links.group)
  }
  encodePayload(writer, object)
}

const encodeXattrs = (writer: MsgpackWriter, xattrs: readonly Xattr[]) => {
  if (xattrs.length === 0) {
    writer.nil()
    return
  }
  writer.array(xattrs.length * 2)
  for (const { name, value } of xattrs) {
    writer.binary(name)
    writer.binary(value)
  }
}

const encodePayload = (writer: MsgpackWriter, object: FsObject): void => {
  switch (object.kind) {
    case 'file':
      encodeContent(writer, object)
      break
    case 'symlink':
      writer.binary(object.target)
      break
    case 'directory':
      writer.array(2)
      writer.binary(object.tree)
      writer.uint(object.subdirectories)
      break
    case 'char':
    case 'block':
      writer.array(2)
      writer.uint(object.major)
      writer.uint(object.minor)
      break
    case 'fifo':
    case 'socket':
      writer.nil()
  }
}

const encodeContent = (writer: MsgpackWriter, object: FileObject): void => {
  if (typeof object.content !== 'string') {
    encodeExtents(writer, object.content, MAX_INLINE_EXTENTS)
    return
  }
  writer.array(3)
  writer.uint(object.sizeBytes)
  writer.uint(object.dataBytes)
  writer.binary(object.content)
}

/**
 * Reads one file object. Errors: `CORRUPT_OBJECT` for anything that
 * `encodeFsObject` would not have written.
 */
export const decodeFsObject = (reader: MsgpackReader): FsObject => {
  reader.arrayOf(8)
  const head: Head = {
    mode: reader.uint(MAX_MODE),
    uid: reader.uint(MAX_ID),
    gid: reader.uint(MAX_ID),
    mtimeSec: reader.int(),
    mtimeNsec: reader.uint(MAX_NSEC),
    xattrs: decodeXattrs(reader),
    links: decodeLinks(reader),
  }
  const kind = kindOfMode(head.mode)
  switch (kind) {
    case 'file':
      return decodeFile(reader, head)
    case 'symlink':
      return decodeSymlink(reader, head)
    case 'directory':
      return decodeDirectory(reader, head)
    case 'char':
    case 'block':
      return decodeDevice(reader, head, kind)
    case 'fifo':
    case 'socket':
      return decodeEndpoint(reader, head, kind)
    case undefined:
      throw reader.corrupt(`mode ${head.mode.toString(8)} has no known type`)
  }
}

/**
 * What stands before the payload. It is copied field by field: with a spread
 * a tree takes ten times as long to decode.
 */
type Head = Linkable

const decodeSymlink = (reader: MsgpackReader, head: Head): SymlinkObject => {
  const target = reader.binary(MAX_TARGET_BYTES)
  if (target.length === 0 || target.includes('\0'))
    throw reader.corrupt('bad symlink target')
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs, links } = head
  return {
    kind: 'symlink',
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    xattrs,
    links,
    target,
  }
}

const decodeDirectory = (
  reader: MsgpackReader,
  head: Head,
): DirectoryObject => {
  if (head.links !== undefined) throw reader.corrupt('hard link of a directory')
  reader.arrayOf(2)
  const tree = decodeDigest(reader)
  const subdirectories = reader.uint(MAX_NLINK - 2)
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = head
  return {
    kind: 'directory',
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    xattrs,
    tree,
    subdirectories,
  }
}

const decodeDevice = (
  reader: MsgpackReader,
  head: Head,
  kind: DeviceObject['kind'],
): DeviceObject => {
  reader.arrayOf(2)
  const major = reader.uint(MAX_DEVICE_MAJOR)
  const minor = reader.uint(MAX_DEVICE_MINOR)
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs, links } = head
  return {
    kind,
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    xattrs,
    links,
    major,
    minor,
  }
}

const decodeEndpoint = (
  reader: MsgpackReader,
  head: Head,
  kind: EndpointObject['kind'],
): EndpointObject => {
  if (!reader.takeNil()) throw reader.corrupt('payload not empty')
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs, links } = head
  return { kind, mode, uid, gid, mtimeSec, mtimeNsec, xattrs, links }
}

/** Reads a 32-byte digest. */
export const decodeDigest = (reader: MsgpackReader): Digest => {
  const digest = toDigest(reader.binary(DIGEST_BYTES))
  if (digest === undefined) throw reader.corrupt('digest is not 32 bytes')
  return digest
}

const NO_XATTRS: readonly Xattr[] = []

const decodeXattrs = (reader: MsgpackReader): readonly Xattr[] => {
  if (reader.takeNil()) return NO_XATTRS
  const length = reader.array(MAX_XATTRS * 2)
  if (length === 0 || length % 2 !== 0) throw reader.corrupt('bad xattr list')
  const xattrs: Xattr[] = []
  let previous = ''
  for (let i = 0; i < length; i += 2) {
    const name = reader.binary(MAX_XATTR_NAME_BYTES)
    if (name <= previous)
      throw reader.corrupt('xattrs not sorted or not unique')
    if (name.includes('\0')) throw reader.corrupt('NUL in an xattr name')
    xattrs.push({ name, value: reader.binary(MAX_XATTR_VALUE_BYTES) })
    previous = name
  }
  return xattrs
}

const decodeLinks = (reader: MsgpackReader): HardLinks | undefined => {
  if (reader.takeNil()) return undefined
  reader.arrayOf(2)
  const nlink = reader.uint(MAX_NLINK)
  if (nlink < 2) throw reader.corrupt('hard link count below 2')
  const group = reader.binary(LINK_GROUP_BYTES)
  if (group.length !== LINK_GROUP_BYTES)
    throw reader.corrupt('hard link group is not 16 bytes')
  return { nlink, group }
}

const decodeFile = (reader: MsgpackReader, head: Head): FileObject => {
  const elements = reader.array(2 * MAX_INLINE_EXTENTS)
  let sizeBytes: number
  let dataBytes: number
  let content: Extent[] | Digest
  if (elements === 3) {
    sizeBytes = reader.uint()
    dataBytes = reader.uint(sizeBytes)
    content = decodeDigest(reader)
  } else {
    content = decodeExtents(reader, elements)
    sizeBytes = extentsLength(content)
    dataBytes = countDataBytes(content)
  }
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs, links } = head
  return {
    kind: 'file',
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    xattrs,
    links,
    sizeBytes,
    dataBytes,
    content,
  }
}
