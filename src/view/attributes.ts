/** What stat tells of an object, and what readdir says of every directory. */

import type { Attributes, DirectorySink, Listed } from '../fuse/handler.ts'
import { nlinkOf, sizeOf } from '../objects/fs-object.ts'
import type { FsObject } from '../objects/fs-object.ts'
import { foldInode } from './node-identity.ts'
import type { InodeNumber } from './node-identity.ts'
import { modeWithoutAcl } from './posix-acl.ts'

/** How a connection shows objects. */
export interface Presentation {
  /**
   * Whether the kernel enforces ACLs. Else they are not shown, and the mode is
   * what is enforced.
   */
  readonly enforcesAcls: boolean
  /** Whether inode numbers have 32 bits. */
  readonly inode32: boolean
}

/** As objects are. */
export const EXACT: Presentation = { enforcesAcls: true, inode32: false }

const BLOCK_BYTES = 512
const DIRECTORY_BLOCKS = 8

const blocksOf = (object: FsObject): number => {
  if (object.kind === 'directory') return DIRECTORY_BLOCKS
  if (object.kind !== 'file') return 0
  return Math.ceil(object.dataBytes / BLOCK_BYTES)
}

/** Attributes of `object` with the given inode number, as they are shown. */
export const attributesOf = (
  object: FsObject,
  inode: InodeNumber,
  { enforcesAcls, inode32 }: Presentation = EXACT,
): Attributes => {
  const { inoHigh, inoLow } = inode32 ? foldInode(inode) : inode
  const isDevice = object.kind === 'char' || object.kind === 'block'
  return {
    inoHigh,
    inoLow,
    mode: enforcesAcls ? object.mode : modeWithoutAcl(object),
    nlink: nlinkOf(object),
    uid: object.uid,
    gid: object.gid,
    sizeBytes: sizeOf(object),
    blocks: blocksOf(object),
    mtimeSec: object.mtimeSec,
    mtimeNsec: object.mtimeNsec,
    rdevMajor: isDevice ? object.major : 0,
    rdevMinor: isDevice ? object.minor : 0,
  }
}

/** Cookies: 1 is behind ".", 2 behind "..", 3 + i behind entry i. */
export const FIRST_COOKIE = 2

/** The directory type of a dirent. */
export const DT_DIR = 4

/** "." and ".."; false when the sink is full. */
export const addDots = (
  cookie: number,
  sink: DirectorySink,
  directory: Listed,
): boolean => {
  if (cookie < 1 && !sink.add('.', 1, directory)) return false
  return cookie >= 2 || sink.add('..', 2, directory)
}
