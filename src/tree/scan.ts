/**
 * Reads the names and the status of everything below a directory.
 *
 * It comes before any content is read: hard links are only known when all
 * names are, and progress wants a total.
 */

import { readdirSync } from '../system/files.ts'
import { DendroError, errnoOf } from '../errors.ts'
import { latin1ToBytes, latin1ToDisplay } from '../bytes/latin1.ts'
import { S_IFDIR, S_IFMT } from '../objects/fs-object.ts'
import { lstatBytes } from '../system/file-status.ts'
import type { FileStatus } from '../system/file-status.ts'
import { ScanScout } from './scan-scout.ts'

export interface ScannedNode {
  /** Raw bytes as latin1 text; empty for the root. */
  readonly name: string
  readonly status: FileStatus
  /** Sorted by name; undefined for what is not a directory. */
  readonly children: ScannedNode[] | undefined
}

/** One inode with several names in the tree. */
export interface LinkGroup {
  count: number
  /** Path of the first name in walk order, relative to the root. */
  readonly firstPath: string
}

export interface Scan {
  readonly root: ScannedNode
  /** By `inodeKey`; only inodes with at least two names here. */
  readonly links: ReadonlyMap<string, LinkGroup>
  readonly files: number
  /** Sum of file sizes, hard-linked files once. */
  readonly bytes: number
}

export interface ScanOptions {
  /** Directories that may not be met, by `inodeKey`, with what they are. */
  readonly forbidden: ReadonlyMap<string, string>
  /** Keep mount points of other file systems as empty directories. */
  readonly oneFileSystem: boolean
  readonly onEntry?: () => void
}

export const inodeKey = (status: FileStatus): string =>
  `${status.dev}:${status.inoHigh}:${status.inoLow}`

export const isDirectoryStatus = (status: FileStatus): boolean =>
  (status.mode & S_IFMT) === S_IFDIR

/** Joins raw paths; the root of a tree is the empty path. */
export const joinRaw = (directory: string, name: string): string =>
  directory === '' ? name : `${directory}/${name}`

/**
 * Scans `source` (raw path). Errors: `SOURCE_OVERLAPS` (meets a forbidden
 * directory or another file system), `SOURCE_UNREADABLE`, `SOURCE_CHANGED`.
 */
export const scanTree = (source: string, options: ScanOptions): Scan => {
  const groups = new Map<string, LinkGroup>()
  let files = 0
  let bytes = 0
  const rootStatus = statSource(source, source)
  const scout = new ScanScout(source)

  const visit = (
    name: string,
    path: string,
    status: FileStatus,
  ): ScannedNode => {
    options.onEntry?.()
    if (!isDirectoryStatus(status)) {
      if (countName(path, status)) {
        files++
        bytes += status.sizeBytes
      }
      return { name, status, children: undefined }
    }
    const full = path === '' ? source : `${source}/${path}`
    const forbidden = options.forbidden.get(inodeKey(status))
    if (forbidden !== undefined) throw overlaps(full, forbidden)
    if (status.dev !== rootStatus.dev) {
      if (options.oneFileSystem) return { name, status, children: [] }
      throw overlaps(full, 'a mount point of another file system')
    }
    scout.advance()
    const children: ScannedNode[] = []
    for (const child of listSorted(full)) {
      const childPath = joinRaw(path, child)
      const childStatus = statSource(`${full}/${child}`, source)
      children.push(visit(child, childPath, childStatus))
    }
    return { name, status, children }
  }

  /** Counts a name of a linked inode; true for an inode not met before. */
  const countName = (path: string, status: FileStatus): boolean => {
    if (status.nlink < 2) return true
    const key = inodeKey(status)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { count: 1, firstPath: path })
    else group.count++
    return group === undefined
  }

  if (!isDirectoryStatus(rootStatus))
    throw new DendroError(
      'NOT_A_DIRECTORY',
      `cannot commit ${latin1ToDisplay(source)}: it is not a directory`,
      { hint: 'name the directory that holds the tree' },
    )
  let root: ScannedNode
  try {
    root = visit('', '', rootStatus)
  } finally {
    scout.stop()
  }
  for (const [key, group] of groups) if (group.count < 2) groups.delete(key)
  return { root, links: groups, files, bytes }
}

const overlaps = (path: string, what: string): DendroError =>
  new DendroError(
    'SOURCE_OVERLAPS',
    `cannot commit ${latin1ToDisplay(path)}: it is ${what}`,
    {
      hint: what.startsWith('a mount point')
        ? 'unmount it, or keep it as an empty directory with --one-file-system'
        : 'keep the repository and its mounts outside the committed tree',
    },
  )

const listSorted = (path: string): string[] => {
  try {
    return readdirSync(latin1ToBytes(path), { encoding: 'latin1' }).sort()
  } catch (error) {
    throw sourceError(path, error)
  }
}

const statSource = (path: string, source: string): FileStatus => {
  try {
    return lstatBytes(latin1ToBytes(path))
  } catch (error) {
    if (path === source && errnoOf(error) === 'ENOENT')
      throw new DendroError(
        'NOT_FOUND',
        `cannot commit ${latin1ToDisplay(path)}: there is no such directory`,
        { cause: error, hint: 'check the path' },
      )
    throw sourceError(path, error)
  }
}

/** Why `path` cannot be read, as the error to throw. */
export const sourceError = (path: string, error: unknown): DendroError => {
  if (error instanceof DendroError && errnoOf(error) === undefined) return error
  const errno = errnoOf(error)
  const shown = latin1ToDisplay(path)
  if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP')
    return changedError(path, 'it vanished while the tree was read')
  return new DendroError(
    'SOURCE_UNREADABLE',
    `cannot commit ${shown}: reading it fails with ${errno ?? 'an error'}`,
    { cause: error, hint: 'run as a user who may read the whole tree' },
  )
}

export const changedError = (path: string, why: string): DendroError =>
  new DendroError(
    'SOURCE_CHANGED',
    `cannot commit ${latin1ToDisplay(path)}: ${why}`,
    { hint: 'commit a tree at rest, or go on with --allow-changing' },
  )
