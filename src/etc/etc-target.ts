/**
 * An /etc in which paths are put: the mounted overlay of a deployment that
 * runs (mounted-etc.ts), or the layer of one that does not (layer-rewrite.ts).
 * The layer below a mounted overlay must never be written to (overlayfs.rst:
 * "the behavior is undefined").
 */

import { latin1ToDisplay } from '../bytes/latin1.ts'
import { DendroError, errnoOf, wrapSystemError } from '../errors.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import {
  accessSync,
  closeSync,
  constants,
  descriptorPath,
  openSync,
} from '../system/files.ts'
import { O_PATH } from '../system/held-path.ts'
import type { EtcPut } from './put-changes.ts'

export interface EtcTarget {
  /**
   * Looks whether all of `puts` can be done, and does what can be done aside.
   * Nothing has changed when it throws. Directories come before what is in
   * them, and every directory that is needed is there or put.
   * Errors: `PERMISSION_DENIED`, `MOUNT_BUSY`, `NOT_A_DIRECTORY`.
   */
  prepare(puts: readonly EtcPut[]): PreparedPuts
}

export interface PreparedPuts {
  /** Does it; `onPut` hears of each path that may have changed. */
  carryOut(onPut: (path: string) => void): void
  /** Leaves nothing behind; to be called in any case. */
  close(): void
}

export const shownEtcPath = (path: string): string =>
  `/etc/${latin1ToDisplay(path)}`

/**
 * Refuses what cannot be replaced although one is root: immutable files, and
 * all on a read-only file system. access(2) asks the kernel and changes
 * nothing. Errors: `PERMISSION_DENIED`.
 */
export const refuseUnwritable = (
  directory: DirectoryHandle,
  name: string | undefined,
  path: string,
): void => {
  const at = name === undefined ? directory.itself : directory.at(name)
  const fd = openSync(at, O_PATH | constants.O_NOFOLLOW)
  try {
    accessSync(descriptorPath(fd), constants.W_OK)
  } catch (error) {
    const errno = errnoOf(error)
    // A link has no mode of its own; the way through /proc does not lead to one.
    if (errno === 'ELOOP') return
    throw unwritable(path, errno, error)
  } finally {
    closeSync(fd)
  }
}

/** The error for `path`, which could not be changed. */
export const unwritable = (
  path: string,
  errno: string | undefined,
  cause: unknown,
): Error => {
  const shown = shownEtcPath(path)
  if (errno === 'EPERM')
    return new DendroError(
      'PERMISSION_DENIED',
      `cannot change ${shown}: it is immutable`,
      {
        cause,
        hint: 'chattr -i makes it changeable, --keep leaves it out',
        data: { path },
      },
    )
  if (errno === 'EROFS')
    return new DendroError(
      'PERMISSION_DENIED',
      `cannot change ${shown}: its file system is read-only`,
      { cause, hint: 'mount it read-write', data: { path } },
    )
  return wrapSystemError(`cannot change ${shown}`, cause)
}
