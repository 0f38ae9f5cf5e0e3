/**
 * The numbers of errors, with the kernel's own names: what system calls of the
 * shim return negative, and what FUSE answers. The only place that has them.
 *
 * Source: asm-generic/errno-base.h and errno.h, which x86, arm and riscv share;
 * a test compares them with those of Node. Words for people are in
 * errno-words.ts.
 */

import { constants } from 'node:os'

export const EPERM = 1
export const ENOENT = 2
export const EIO = 5
export const ENXIO = 6
export const EAGAIN = 11
export const ENOMEM = 12
export const EBUSY = 16
export const ENODEV = 19
export const ENOTDIR = 20
export const EISDIR = 21
export const EINVAL = 22
export const ENOTTY = 25
export const EROFS = 30
export const ERANGE = 34
export const ENAMETOOLONG = 36
export const ENOSYS = 38
export const ENODATA = 61
export const ENOTSUP = 95
export const ECONNABORTED = 103
export const ESTALE = 116

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, value]) => [value, name]),
)

/** The name of an errno: 2 is ENOENT. One that has none here is `E` and the number. */
export const errnoName = (errno: number): string =>
  NAMES.get(errno) ?? `E${errno}`
