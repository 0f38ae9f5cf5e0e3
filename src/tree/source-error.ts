/** Why a source cannot be committed, as the error to throw. */

import { latin1ToDisplay } from '../bytes/latin1.ts'
import { DendroError, errnoOf } from '../errors.ts'

const PATH_MAX = 4096

const SHOWN_BYTES = 512

/** A path for people: of one that is longer than a system call takes, both ends. */
const show = (path: string): string =>
  latin1ToDisplay(
    path.length < PATH_MAX
      ? path
      : `${path.slice(0, SHOWN_BYTES)}...${path.slice(-SHOWN_BYTES)}`,
  )

/**
 * What stands at `path` may not be part of the commit: `what` it is, and what
 * to do about it.
 */
export const overlapError = (
  path: string,
  what: string,
  hint: string,
): DendroError =>
  new DendroError(
    'SOURCE_OVERLAPS',
    `cannot commit ${show(path)}: it is ${what}`,
    { hint },
  )

/** Why `path` (raw) cannot be read. */
export const sourceError = (path: string, error: unknown): DendroError => {
  if (error instanceof DendroError && errnoOf(error) === undefined) return error
  const errno = errnoOf(error)
  const shown = show(path)
  if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP')
    return changedError(path, 'it vanished while the tree was read')
  if (errno === 'E2BIG')
    return new DendroError(
      'LIMIT_EXCEEDED',
      `cannot commit ${shown}: the names of its xattrs take more than 65536 bytes, which is all that Linux lists`,
      { cause: error, hint: 'remove some of them' },
    )
  return new DendroError(
    'SOURCE_UNREADABLE',
    `cannot commit ${shown}: reading it fails with ${errno ?? 'an error'}`,
    { cause: error, hint: 'run as a user who may read the whole tree' },
  )
}

export const changedError = (path: string, why: string): DendroError =>
  new DendroError('SOURCE_CHANGED', `cannot commit ${show(path)}: ${why}`, {
    hint: 'commit a tree at rest, or go on with --allow-changing',
  })

/** Does `work`, and names `path` (raw) where that meets a limit of the format. */
export const namingPath = <T>(path: string, work: () => T): T => {
  try {
    return work()
  } catch (error) {
    throw limitAt(path, error)
  }
}

/** `error`, with `path` (raw) where it says that a limit was met. */
export const limitAt = (path: string, error: unknown): unknown => {
  if (!(error instanceof DendroError) || error.code !== 'LIMIT_EXCEEDED')
    return error
  const { message, data } = error
  return new DendroError(
    'LIMIT_EXCEEDED',
    `cannot commit ${show(path)}: ${message}`,
    { cause: error, data, hint: 'change it or leave it out of the tree' },
  )
}
