/**
 * Paths resolved from a directory descriptor and kept inside it: openat2(2),
 * or name by name where the kernel (before Linux 5.6) or the shim lacks it.
 */

import {
  closeSync,
  constants,
  descriptorPath,
  openSync,
  readlinkSync,
} from './files.ts'
import { latin1ToBytes, latin1ToDisplay } from '../bytes/latin1.ts'
import { errnoOf } from '../errors.ts'
import { ENAMETOOLONG, ENOSYS } from './errno.ts'
import { check, tryShim } from './native.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants

/** Of <linux/openat2.h>. */
const RESOLVE_NO_XDEV = 0x01
const RESOLVE_NO_MAGICLINKS = 0x02
const RESOLVE_NO_SYMLINKS = 0x04
const RESOLVE_BENEATH = 0x08
const RESOLVE_IN_ROOT = 0x10

/** As the kernel: MAXSYMLINKS of <linux/namei.h>. */
const MAX_LINKS = 40

const systemError = (code: string, path: string): Error =>
  Object.assign(new Error(`${code}: ${path}`), { code })

/** openat2, or undefined where there is none. */
const tryOpenat2 = (
  directory: number,
  path: string,
  flags: number,
  resolve: number,
): number | undefined => {
  const raw = latin1ToBytes(path === '' ? '.' : path)
  const result = tryShim()?.openat2(directory, raw, flags, 0, resolve)
  if (result === undefined || result === -ENOSYS) return undefined
  // What is too long as a whole may be short name by name.
  if (result === -ENAMETOOLONG) return undefined
  if (result >= 0) return result
  const above = readlinkSync(descriptorPath(directory), {
    encoding: 'latin1',
  })
  const shown = latin1ToDisplay(path === '' ? above : `${above}/${path}`)
  return check(result, `cannot open ${shown}`)
}

const BENEATH = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS

/**
 * Opens `path` (latin1, relative) below the directory `directory`, following
 * no link. The caller closes the descriptor. System errors: ELOOP or ENOTDIR
 * for a link, EXDEV for a way out.
 */
export const openBeneath = (
  directory: number,
  path: string,
  flags: number,
): number =>
  tryOpenat2(directory, path, flags, BENEATH) ??
  openByNames(directory, path, flags, () => false)

/**
 * The same, on the mount of `directory` alone: what somebody mounted in it may
 * never answer. System errors: EXDEV for a mount point, ENOSYS where the kernel
 * cannot tell beforehand.
 */
export const openOnSameMount = (
  directory: number,
  path: string,
  flags: number,
): number => {
  const fd = tryOpenat2(directory, path, flags, BENEATH | RESOLVE_NO_XDEV)
  if (fd !== undefined) return fd
  throw systemError('ENOSYS', path)
}

/**
 * Opens `path` (latin1) as a process does whose root is `directory`: absolute
 * links begin there, and `..` ends there. The caller closes the descriptor.
 */
export const openInRoot = (
  directory: number,
  path: string,
  flags: number,
): number =>
  tryOpenat2(directory, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) ??
  openByNames(directory, path, flags, () => true)

/**
 * The same by hand: a stack of open directories, so that `..` is the one that
 * was come from. Exported for its test.
 */
export const openByNames = (
  directory: number,
  path: string,
  flags: number,
  followsLinks: () => boolean,
): number => {
  const above: number[] = [directory]
  const names = path.split('/').reverse()
  let links = 0
  const top = () => above.at(-1) as number
  const leave = (): void => {
    if (above.length > 1) closeSync(above.pop() as number)
    else if (!followsLinks()) throw systemError('EXDEV', path)
  }
  /** Puts the target of a link in the place of its name. */
  const follow = (at: Buffer): void => {
    if (!followsLinks() || ++links > MAX_LINKS) throw systemError('ELOOP', path)
    const target = readlinkSync(at, { encoding: 'latin1' })
    if (target.startsWith('/')) while (above.length > 1) leave()
    names.push(...target.split('/').reverse())
  }
  try {
    while (names.length > 0) {
      const name = names.pop() as string
      if (name === '' || name === '.') continue
      if (name === '..') {
        leave()
        continue
      }
      const at = latin1ToBytes(`${descriptorPath(top())}/${name}`)
      const isLast = names.every(rest => rest === '' || rest === '.')
      const how = isLast
        ? flags | O_NOFOLLOW
        : O_RDONLY | O_DIRECTORY | O_NOFOLLOW
      try {
        const fd = openSync(at, how)
        if (isLast) return fd
        above.push(fd)
      } catch (error) {
        if (!isLink(at, error)) throw error
        follow(at)
      }
    }
    return openSync(`${descriptorPath(top())}/.`, flags)
  } finally {
    for (const fd of above.slice(1)) closeSync(fd)
  }
}

/** Whether opening failed because a link stands there. */
const isLink = (at: Buffer, error: unknown): boolean => {
  const errno = errnoOf(error)
  if (errno !== 'ELOOP' && errno !== 'ENOTDIR') return false
  try {
    readlinkSync(at)
    return true
  } catch {
    // It is something else, or gone: the first error is the one to tell.
    return false
  }
}
