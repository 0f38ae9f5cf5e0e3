/** Writes the bodies of replies into a buffer. Pure. */

import {
  ATTR_OUT_BYTES,
  ENTRY_OUT_BYTES,
  FUSE_ROOT_ID,
  GETXATTR_OUT_BYTES,
  INIT_OUT_BYTES,
  IOCTL_OUT_BYTES,
  LSEEK_OUT_BYTES,
  NAME_MAX_BYTES,
  OUT_HEADER_BYTES,
  STATFS_OUT_BYTES,
} from './layout.ts'
import type { Attributes, Entry } from './handler.ts'

/** Where the body of an answer stands, behind room for its header. */
export const BODY_AT = OUT_HEADER_BYTES
/** Instead of the length of a body: no answer is owed. */
export const NO_REPLY = -1

/** For ever: the kernel saturates what does not fit its jiffies. */
const FOREVER_SEC = 0x7fffffff
const BLOCK_SIZE = 4096
const HIGH = 0x100000000

export const writeU64 = (out: Buffer, at: number, value: number): void => {
  out.writeUInt32LE(value % HIGH, at)
  out.writeUInt32LE(Math.floor(value / HIGH), at + 4)
}

/** Seconds may be negative: two's complement in 64 bits. */
const writeSeconds = (out: Buffer, at: number, value: number): void => {
  out.writeInt32LE(value | 0, at)
  out.writeInt32LE(Math.floor(value / HIGH), at + 4)
}

/** The kernel's "new" encoding of a device number in 32 bits. */
export const encodeDevice = (major: number, minor: number): number =>
  ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0

/** struct fuse_attr */
export const writeAttr = (out: Buffer, at: number, a: Attributes): void => {
  out.writeUInt32LE(a.inoLow, at)
  out.writeUInt32LE(a.inoHigh, at + 4)
  writeU64(out, at + 8, a.sizeBytes)
  writeU64(out, at + 16, a.blocks)
  writeSeconds(out, at + 24, a.mtimeSec)
  writeSeconds(out, at + 32, a.mtimeSec)
  writeSeconds(out, at + 40, a.mtimeSec)
  out.writeUInt32LE(a.mtimeNsec, at + 48)
  out.writeUInt32LE(a.mtimeNsec, at + 52)
  out.writeUInt32LE(a.mtimeNsec, at + 56)
  out.writeUInt32LE(a.mode, at + 60)
  out.writeUInt32LE(a.nlink, at + 64)
  out.writeUInt32LE(a.uid, at + 68)
  out.writeUInt32LE(a.gid, at + 72)
  out.writeUInt32LE(encodeDevice(a.rdevMajor, a.rdevMinor), at + 76)
  out.writeUInt32LE(BLOCK_SIZE, at + 80)
  out.writeUInt32LE(0, at + 84)
}

/** struct fuse_entry_out */
export const writeEntryOut = (
  out: Buffer,
  at: number,
  entry: Entry,
): number => {
  writeU64(out, at, entry.nodeId)
  writeU64(out, at + 8, entry.generation)
  writeU64(out, at + 16, FOREVER_SEC)
  writeU64(out, at + 24, FOREVER_SEC)
  out.writeUInt32LE(0, at + 32)
  out.writeUInt32LE(0, at + 36)
  writeAttr(out, at + 40, entry.attributes)
  return ENTRY_OUT_BYTES
}

/** struct fuse_entry_out of a name that does not exist, cached for ever. */
export const writeNegativeEntry = (out: Buffer, at: number): number => {
  out.fill(0, at, at + ENTRY_OUT_BYTES)
  writeU64(out, at + 16, FOREVER_SEC)
  return ENTRY_OUT_BYTES
}

/** struct fuse_attr_out */
export const writeAttrOut = (
  out: Buffer,
  at: number,
  a: Attributes,
): number => {
  writeU64(out, at, FOREVER_SEC)
  writeU64(out, at + 8, 0)
  writeAttr(out, at + 16, a)
  return ATTR_OUT_BYTES
}

export interface InitReply {
  readonly minor: number
  readonly maxReadahead: number
  readonly flags: number
  readonly flags2: number
  readonly maxBackground: number
  readonly maxWrite: number
  readonly maxPages: number
}

/** struct fuse_init_out */
export const writeInitOut = (
  out: Buffer,
  at: number,
  init: InitReply,
): number => {
  out.fill(0, at, at + INIT_OUT_BYTES)
  out.writeUInt32LE(7, at)
  out.writeUInt32LE(init.minor, at + 4)
  out.writeUInt32LE(init.maxReadahead, at + 8)
  out.writeUInt32LE(init.flags >>> 0, at + 12)
  out.writeUInt16LE(init.maxBackground, at + 16)
  out.writeUInt16LE(Math.ceil((init.maxBackground * 3) / 4), at + 18)
  out.writeUInt32LE(init.maxWrite, at + 20)
  out.writeUInt32LE(1, at + 24)
  out.writeUInt16LE(init.maxPages, at + 28)
  out.writeUInt32LE(init.flags2 >>> 0, at + 32)
  return INIT_OUT_BYTES
}

/** struct fuse_statfs_out: full, as a read-only filesystem is. */
export const writeStatfsOut = (
  out: Buffer,
  at: number,
  blocks: number,
  files: number,
): number => {
  out.fill(0, at, at + STATFS_OUT_BYTES)
  writeU64(out, at, blocks)
  writeU64(out, at + 24, files)
  out.writeUInt32LE(BLOCK_SIZE, at + 40)
  out.writeUInt32LE(NAME_MAX_BYTES, at + 44)
  out.writeUInt32LE(BLOCK_SIZE, at + 48)
  return STATFS_OUT_BYTES
}

/** struct fuse_lseek_out */
export const writeLseekOut = (
  out: Buffer,
  at: number,
  offset: number,
): number => {
  writeU64(out, at, offset)
  return LSEEK_OUT_BYTES
}

/** struct fuse_getxattr_out: how long the answer would be. */
export const writeGetxattrOut = (
  out: Buffer,
  at: number,
  valueBytes: number,
): number => {
  writeU64(out, at, valueBytes)
  return GETXATTR_OUT_BYTES
}

/** struct fuse_ioctl_out, and so many bytes of data, all zero: success. */
export const writeIoctlOut = (
  out: Buffer,
  at: number,
  dataBytes: number,
): number => {
  const length = IOCTL_OUT_BYTES + dataBytes
  out.fill(0, at, at + length)
  return length
}

/** The node that a fuse_entry_out tells the kernel of: a lookup of it. */
export const nodesInEntry = (out: Buffer, at: number): Iterable<number> => {
  const nodeId = out.readUInt32LE(at) + out.readUInt32LE(at + 4) * HIGH
  // None for one that says only that there is no such name, or for a dot.
  return nodeId > FUSE_ROOT_ID ? [nodeId] : []
}
