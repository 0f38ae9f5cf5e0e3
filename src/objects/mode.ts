/** `st_mode`: its type bits, and the kinds of object they stand for. */

import type { FsObject } from './fs-object.ts'

export const S_IFMT = 0o170000
export const S_IFSOCK = 0o140000
export const S_IFLNK = 0o120000
export const S_IFREG = 0o100000
export const S_IFBLK = 0o060000
export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
export const S_IFIFO = 0o010000

export type ObjectKind = FsObject['kind']

const KIND_OF_TYPE: ReadonlyMap<number, ObjectKind> = new Map([
  [S_IFREG, 'file'],
  [S_IFLNK, 'symlink'],
  [S_IFDIR, 'directory'],
  [S_IFCHR, 'char'],
  [S_IFBLK, 'block'],
  [S_IFIFO, 'fifo'],
  [S_IFSOCK, 'socket'],
])

/** The kind named by the type bits of `mode`, or undefined for none known. */
export const kindOfMode = (mode: number): ObjectKind | undefined =>
  KIND_OF_TYPE.get(mode & S_IFMT)
