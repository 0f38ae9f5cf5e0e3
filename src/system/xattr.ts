/** Extended attributes of a path, never following a link. */

import { descriptorPath, namedPath } from './files.ts'
import { ENODATA, ENOTSUP } from './errno.ts'
import { check, shim, tryShim } from './native.ts'

const MAX_BYTES = 64 * 1024

const scratch = Buffer.allocUnsafeSlow(MAX_BYTES)

/** Whether xattrs can be read and written here at all. */
export const canUseXattrs = (): boolean => tryShim() !== undefined

/** Name and value as latin1 text. */
export interface RawXattr {
  readonly name: string
  readonly value: string
}

/**
 * All attributes of `path`, sorted by name. Empty where the file system knows
 * none.
 */
export const readXattrs = (path: Buffer): RawXattr[] => read(path, false)

/** The same of an open file, also of one that is only named (O_PATH). */
export const readXattrsOf = (fd: number): RawXattr[] =>
  read(Buffer.from(descriptorPath(fd)), true)

const read = (path: Buffer, isFollowed: boolean): RawXattr[] => {
  const native = shim()
  const follow = isFollowed ? 1 : 0
  const length = native.listXattr(path, scratch, follow)
  if (length === 0 || length === -ENOTSUP) return []
  if (length < 0) check(length, `cannot list the xattrs of ${namedPath(path)}`)
  const names = scratch
    .toString('latin1', 0, length)
    .split('\0')
    .filter(Boolean)
    .sort()
  const xattrs: RawXattr[] = []
  for (const name of names) {
    const key = Buffer.from(name, 'latin1')
    const size = native.getXattr(path, key, scratch, follow)
    if (size === -ENODATA) continue
    if (size < 0) check(size, `cannot read xattr ${name} of ${namedPath(path)}`)
    xattrs.push({ name, value: scratch.toString('latin1', 0, size) })
  }
  return xattrs
}

/** Sets one attribute. */
export const writeXattr = (path: Buffer, name: string, value: string): void => {
  const result = shim().lsetxattr(
    path,
    Buffer.from(name, 'latin1'),
    Buffer.from(value, 'latin1'),
  )
  if (result < 0)
    check(result, `cannot set xattr ${name} of ${namedPath(path)}`)
}

/** Removes one attribute; that it is not there, or cannot be, is well. */
export const dropXattr = (path: Buffer, name: string): void => {
  const result = shim().lremovexattr(path, Buffer.from(name, 'latin1'))
  if (result >= 0 || result === -ENODATA || result === -ENOTSUP) return
  check(result, `cannot remove xattr ${name} of ${namedPath(path)}`)
}
