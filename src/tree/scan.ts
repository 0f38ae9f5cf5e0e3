/**
 * Reads the names and the status of everything below a directory.
 *
 * It comes before any content is read: hard links are only known when all
 * names are, and progress wants a total. It goes by descriptors, one name at a
 * time, so that nobody who moves directories meanwhile leads it elsewhere.
 */

import { latin1ToDisplay } from '../bytes/latin1.ts'
import { errnoOf } from '../errors.ts'
import { S_IFDIR, S_IFMT } from '../objects/mode.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import { DirectoryStack } from '../system/directory-stack.ts'
import type { FileStatus } from '../system/file-status.ts'
import { mountIdOf } from '../system/mount-table.ts'
import { joinRaw, rawPathBelow } from './raw-path.ts'
import { checkNames, checkNesting, checkStatus } from './scan-limits.ts'
import { ScanScout } from './scan-scout.ts'
import { namingPath, overlapError, sourceError } from './source-error.ts'

export { joinRaw } from './raw-path.ts'

export interface ScannedNode {
  /** Raw bytes as latin1 text; empty for the root. */
  readonly name: string
  readonly status: FileStatus
  /** Sorted by name; undefined for what is not a directory. */
  readonly children: readonly ScannedNode[] | undefined
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
  /** Leave out what vanishes instead of failing. */
  readonly allowChanging: boolean
  readonly onEntry?: () => void
  /** Told of each path (raw) whose content is left out, and why. */
  readonly onSkipped?: ((path: string, why: string) => void) | undefined
}

export const inodeKey = (status: FileStatus): string =>
  `${status.dev}:${status.inoHigh}:${status.inoLow}`

export const isDirectoryStatus = (status: FileStatus): boolean =>
  (status.mode & S_IFMT) === S_IFDIR

/**
 * Scans the directory `root`, whose raw path is `source`.
 * Errors: `SOURCE_OVERLAPS` (meets a forbidden directory or another file
 * system), `SOURCE_UNREADABLE`, `SOURCE_CHANGED`, `LIMIT_EXCEEDED`.
 */
export const scanTree = (
  root: DirectoryHandle,
  source: string,
  options: ScanOptions,
): Scan => {
  const stack = new DirectoryStack(root)
  const scout = new ScanScout(root.fd)
  try {
    return new Scanner(stack, scout, source, options).scan(root.status())
  } finally {
    scout.stop()
    stack.close()
  }
}

/** A directory of which some names were looked at. */
interface Level {
  readonly path: string
  readonly status: FileStatus
  readonly names: readonly string[]
  /** Names that are directories; others may be too. */
  readonly directories: ReadonlySet<string>
  readonly children: ScannedNode[]
  next: number
}

class Scanner {
  readonly #stack: DirectoryStack
  readonly #scout: ScanScout
  readonly #source: string
  readonly #options: ScanOptions
  /** Where the scan stands; as deep as the stack, and the root. */
  readonly #levels: Level[] = []
  readonly #groups = new Map<string, LinkGroup>()
  #files = 0
  #bytes = 0

  constructor(
    stack: DirectoryStack,
    scout: ScanScout,
    source: string,
    options: ScanOptions,
  ) {
    this.#stack = stack
    this.#scout = scout
    this.#source = source
    this.#options = options
  }

  scan(status: FileStatus): Scan {
    const children: ScannedNode[] = []
    this.#options.onEntry?.()
    this.#checkOwn('', status)
    this.#list('', status, children)
    for (
      let level = this.#levels.at(-1);
      level !== undefined;
      level = this.#levels.at(-1)
    ) {
      const name = level.names[level.next++]
      if (name !== undefined) this.#visit(level, name)
      else this.#leave(level)
    }
    const links = this.#groups
    for (const [key, group] of links) if (group.count < 2) links.delete(key)
    const root = { name: '', status, children }
    return { root, links, files: this.#files, bytes: this.#bytes }
  }

  #visit(level: Level, name: string): void {
    const path = joinRaw(level.path, name)
    try {
      if (level.directories.has(name) && this.#enter(level, path, name)) return
      const status = this.#stack.top.status(name)
      if (isDirectoryStatus(status) && this.#enter(level, path, name)) return
      this.#add(level, path, name, status)
    } catch (error) {
      const wrapped = sourceError(this.#full(path), error)
      const isGone = wrapped.code === 'SOURCE_CHANGED'
      if (!isGone || !this.#options.allowChanging) throw wrapped
      this.#options.onSkipped?.(path, wrapped.message)
    }
  }

  /** Adds what is no directory. */
  #add(level: Level, path: string, name: string, status: FileStatus): void {
    this.#options.onEntry?.()
    namingPath(this.#full(path), () => checkStatus(status))
    level.children.push({ name, status, children: undefined })
    if (!this.#isFirstName(path, status)) return
    this.#files++
    this.#bytes += status.sizeBytes
  }

  /** Goes into the directory `name`; false where it is none any more. */
  #enter(level: Level, path: string, name: string): boolean {
    const above = this.#stack.top
    try {
      this.#stack.enter(name)
    } catch (error) {
      if (errnoOf(error) === 'ENOTDIR') return false
      throw error
    }
    this.#options.onEntry?.()
    const status = this.#stack.status as FileStatus
    const children: ScannedNode[] = []
    this.#checkOwn(path, status)
    // A subvolume of btrfs has a device of its own and is no mount point.
    const isMountPoint =
      status.dev !== level.status.dev &&
      !isOneMount(above.fd, this.#stack.top.fd)
    if (isMountPoint) {
      this.#keepEmpty(path)
      this.#stack.leave()
    } else this.#list(path, status, children)
    level.children.push({ name, status, children })
    return true
  }

  #list(path: string, status: FileStatus, children: ScannedNode[]): void {
    this.#scout.advance()
    const { names, directories } = this.#stack.top.names()
    namingPath(this.#full(path), () => {
      checkStatus(status)
      checkNesting(this.#stack.depth)
      checkNames(names)
    })
    names.sort()
    this.#levels.push({ path, status, names, directories, children, next: 0 })
  }

  #leave({ path }: Level): void {
    this.#levels.pop()
    if (this.#levels.length === 0) return
    try {
      this.#stack.leave()
    } catch (error) {
      throw sourceError(this.#full(path), error)
    }
  }

  /** Errors: `SOURCE_OVERLAPS`. */
  #checkOwn(path: string, status: FileStatus): void {
    const forbidden = this.#options.forbidden.get(inodeKey(status))
    if (forbidden === undefined) return
    throw overlapError(
      this.#full(path),
      forbidden,
      'keep the repository and its mounts outside the committed tree',
    )
  }

  /** Errors: `SOURCE_OVERLAPS`. */
  #keepEmpty(path: string): void {
    if (!this.#options.oneFileSystem)
      throw overlapError(
        this.#full(path),
        'a mount point of another file system',
        'unmount it, or keep it as an empty directory with --one-file-system',
      )
    this.#options.onSkipped?.(
      path,
      `what is in ${latin1ToDisplay(this.#full(path))}: it is a mount point of another file system`,
    )
  }

  /** Counts a name of a linked inode; true for an inode not met before. */
  #isFirstName(path: string, status: FileStatus): boolean {
    if (status.nlink < 2) return true
    const key = inodeKey(status)
    const group = this.#groups.get(key)
    if (group === undefined)
      this.#groups.set(key, { count: 1, firstPath: path })
    else group.count++
    return group === undefined
  }

  #full(path: string): string {
    return rawPathBelow(this.#source, path)
  }
}

/** Whether two open files are on the same mount. */
const isOneMount = (a: number, b: number): boolean => {
  const mount = mountIdOf(a)
  return mount !== undefined && mount === mountIdOf(b)
}
