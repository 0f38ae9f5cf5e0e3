/**
 * The one door through which the files of a repository are read.
 *
 * Where a file is expected there may be anything: a link that leads elsewhere,
 * a pipe that makes whoever opens it wait, a device without an end, a sparse
 * file of a petabyte. Only a regular file of fitting owner is read, and only
 * up to a length that the caller knows.
 */

import {
  closeSync,
  constants,
  descriptorPath,
  fstatSync,
  lstatSync,
  readdirSync,
  readSync,
} from './files.ts'
import type { Dirent, Stats } from './files.ts'
import { DendroError, errnoOf } from '../errors.ts'
import { openDirectory, openPlace } from './held-path.ts'
import type { FilePlace } from './held-path.ts'

const { O_NONBLOCK, O_RDONLY } = constants

/** An open file; whoever opened it closes it. */
export interface PlainFile {
  readonly fd: number
  readonly sizeBytes: number
}

const refusal = (
  place: FilePlace,
  why: string,
  hint: string,
  found?: string,
): DendroError =>
  new DendroError(
    'CORRUPT_REPOSITORY',
    `damaged repository: ${String(place)} ${why}`,
    {
      hint,
      data: { path: String(place), found },
    },
  )

/** Whether `error` says that a directory stands where a file was wanted. */
export const isDirectoryFound = (error: unknown): boolean =>
  error instanceof DendroError && error.data['found'] === A_DIRECTORY

const A_DIRECTORY = 'a directory'
const LOOK = 'look who put it there, and put a copy of the file in its place'

/** What a thing is that is no regular file. */
const kindOf = (status: Stats): string => {
  if (status.isDirectory()) return A_DIRECTORY
  if (status.isFIFO()) return 'a pipe'
  if (status.isSocket()) return 'a socket'
  return status.isSymbolicLink() ? 'a link' : 'a device'
}

/** Errno names by which open(2) says that no file stands there. */
const NO_FILE: Readonly<Record<string, string>> = {
  ELOOP: 'a link, or is behind one',
  ENXIO: 'a socket or a device',
  ENODEV: 'a device',
}

/**
 * Opens a regular file; by default for reading. `mode` is of one that is made.
 * Errors: `CORRUPT_REPOSITORY` for anything else, system errors.
 */
export const openPlain = (
  place: FilePlace,
  flags: number = O_RDONLY,
  mode?: number,
): PlainFile => {
  const fd = openRefusing(place, flags, mode)
  try {
    const status = fstatSync(fd)
    if (!status.isFile()) {
      const kind = kindOf(status)
      throw refusal(place, `is ${kind} and no file`, LOOK, kind)
    }
    const isFitting =
      typeof place === 'string' || place.directory.isFitting(status)
    if (!isFitting)
      throw refusal(
        place,
        `belongs to user ${status.uid}, who does not own the repository`,
        `if it is as it should be, give it to the owner with chown; a repository of a group: docs/formats/repository.md`,
      )
    // A second name may be one that is not in the repository at all.
    if (flags !== O_RDONLY && status.nlink > 1)
      throw refusal(place, 'has a second name, so it is not written to', LOOK)
    return { fd, sizeBytes: status.size }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

const openRefusing = (
  place: FilePlace,
  flags: number,
  mode: number | undefined,
): number => {
  try {
    return openPlace(place, flags | O_NONBLOCK, mode)
  } catch (error) {
    const what = NO_FILE[errnoOf(error) ?? '']
    if (what === undefined) throw error
    throw refusal(place, `is ${what}, and no file`, LOOK)
  }
}

/**
 * The bytes of a regular file of at most `maxBytes`.
 * Errors: `CORRUPT_REPOSITORY`, system errors (ENOENT).
 */
export const readPlain = (place: FilePlace, maxBytes: number): Buffer => {
  const { fd, sizeBytes } = openPlain(place)
  try {
    if (sizeBytes > maxBytes)
      throw refusal(
        place,
        `has ${sizeBytes} bytes, more than such a file ever has (${maxBytes})`,
        LOOK,
      )
    const bytes = Buffer.allocUnsafeSlow(sizeBytes)
    let done = 0
    while (done < sizeBytes) {
      const count = readSync(fd, bytes, done, sizeBytes - done, done)
      // Somebody has made it shorter: who reads it is told by its checksum.
      if (count === 0) break
      done += count
    }
    return bytes.subarray(0, done)
  } finally {
    closeSync(fd)
  }
}

/** The same, or undefined where there is no such file. */
export const tryReadPlain = (
  place: FilePlace,
  maxBytes: number,
): Buffer | undefined => {
  try {
    return readPlain(place, maxBytes)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** What is in a directory. Errors: `CORRUPT_REPOSITORY`, system errors (ENOENT). */
export const listEntries = (place: FilePlace): Dirent[] => {
  let fd: number
  try {
    fd = openDirectory(place)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno !== 'ELOOP' && errno !== 'ENOTDIR') throw error
    throw refusal(place, 'is no directory', LOOK)
  }
  try {
    return readdirSync(`${descriptorPath(fd)}/.`, { withFileTypes: true })
  } finally {
    closeSync(fd)
  }
}

/** The names in a directory. Errors: as `listEntries`. */
export const listNames = (place: FilePlace): string[] =>
  listEntries(place).map(({ name }) => name)

/** The same; none where there is no such directory. */
export const listNamesIfThere = (place: FilePlace): string[] => {
  try {
    return listNames(place)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

/** lstat(2); undefined where there is nothing, nor a directory for it. */
export const statPlace = (place: FilePlace): Stats | undefined => {
  const look = (path: string): Stats | undefined =>
    lstatSync(path, { throwIfNoEntry: false })
  try {
    return typeof place === 'string' ? look(place) : place.reach(look)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Bytes of a file; 0 where there is none. */
export const sizeOfPlace = (place: FilePlace): number =>
  statPlace(place)?.size ?? 0
