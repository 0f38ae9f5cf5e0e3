/**
 * Paths below a directory that is held open.
 *
 * Whoever can write to a repository can put a link, a pipe or a device where a
 * file is expected, and can do so between two looks. So its files are reached
 * from a descriptor of its directory, with no link on the way (openat2(2)), and
 * the directory stays the one that was opened: moved, it is followed; another
 * one under its name is not it.
 */

import {
  closeSync,
  constants,
  descriptorPath,
  fstatSync,
  openSync,
  readlinkSync,
  statSync,
} from './files.ts'
import { basename, dirname, join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { bytesToLatin1 } from '../bytes/latin1.ts'
import { DirectoryHandle } from './directory-handle.ts'
import { openBeneath, openOnSameMount } from './resolve.ts'
import { effectiveUser } from './root-user.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants
/** Of <fcntl.h>: a descriptor that names a file without opening it. */
export const O_PATH = 0o10000000

const GROUP_WRITES = 0o020

/** What is looked at to tell whose a file is. */
export interface Ownership {
  readonly uid: number
  readonly gid: number
}

/** Device and inode, exact. */
export interface DirectoryNumbers {
  readonly dev: bigint
  readonly ino: bigint
}

export interface HoldOptions {
  /** Whether what is mounted below it belongs to it (true). */
  readonly crossesMounts?: boolean
}

export class HeldDirectory {
  readonly #handle: DirectoryHandle
  readonly #isOwn: boolean
  readonly #crossesMounts: boolean
  #isOpen = true
  /** Where it was when it was opened; for people, and for other processes. */
  readonly path: string
  readonly numbers: DirectoryNumbers
  readonly #owner: number
  /** The group whose files are accepted too, where the directory is shared. */
  readonly #group: number | undefined

  private constructor(
    handle: DirectoryHandle,
    path: string,
    isOwn: boolean,
    { crossesMounts = true }: HoldOptions,
  ) {
    this.#handle = handle
    this.#isOwn = isOwn
    this.#crossesMounts = crossesMounts
    this.path = path
    const { dev, ino, uid, gid, mode } = fstatSync(handle.fd, { bigint: true })
    this.numbers = { dev, ino }
    this.#owner = Number(uid)
    const isShared = (Number(mode) & GROUP_WRITES) !== 0
    this.#group = isShared ? Number(gid) : undefined
  }

  /** Opens `path` as whoever named it meant it. System errors: ENOENT, ENOTDIR. */
  static open(path: string, options: HoldOptions = {}): HeldDirectory {
    const handle = DirectoryHandle.open(textToBytes(path))
    return new HeldDirectory(handle, path, true, options)
  }

  /** One that this process holds elsewhere; it closes nothing. */
  static of(fd: number, path: string): HeldDirectory {
    return new HeldDirectory(DirectoryHandle.of(fd), path, false, {})
  }

  /** The descriptor, until `close`. */
  get fd(): number {
    // The number is given again to what is opened next.
    if (!this.#isOpen) throw new Error(`${this.path} is closed`)
    return this.#handle.fd
  }

  /** open(2) of what is below it, with no link on the way. */
  open(relative: string, flags: number): number {
    const open = this.#crossesMounts ? openBeneath : openOnSameMount
    return open(this.fd, bytesToLatin1(textToBytes(relative)), flags)
  }

  /** A path below it; empty for the directory itself. */
  at(relative: string): HeldPath {
    return new HeldPath(this, relative)
  }

  /** Where it is now; " (deleted)" at the end where it is nowhere. */
  currentPath(): string {
    return readlinkSync(descriptorPath(this.fd))
  }

  /** Whether `path` leads to it. */
  isAt(path: string): boolean {
    const { dev, ino } = this.numbers
    const found = statSync(path, { bigint: true, throwIfNoEntry: false })
    return found?.dev === dev && found.ino === ino
  }

  /** Whether a user is root, the owner of the directory, or this process. */
  isOwnedBy(uid: number): boolean {
    return uid === 0 || uid === this.#owner || uid === effectiveUser()
  }

  /** Whether a file of that owner can have been put here by rights. */
  isFitting({ uid, gid }: Ownership): boolean {
    return this.isOwnedBy(uid) || gid === this.#group
  }

  close(): void {
    if (this.#isOpen && this.#isOwn) this.#handle.close()
    this.#isOpen = false
  }
}

/** A path below a held directory: what it is called, and how it is reached. */
export class HeldPath {
  readonly directory: HeldDirectory
  /** Without a slash at either end; empty for the directory itself. */
  readonly relative: string

  constructor(directory: HeldDirectory, relative: string) {
    this.directory = directory
    this.relative = relative
  }

  /** For people, and for tests that look at it from outside. */
  get path(): string {
    return join(this.directory.path, this.relative)
  }

  toString(): string {
    return this.path
  }

  get name(): string {
    return basename(this.relative)
  }

  child(name: string): HeldPath {
    return new HeldPath(this.directory, join(this.relative, name))
  }

  parent(): HeldPath {
    const above = dirname(this.relative)
    return new HeldPath(this.directory, above === '.' ? '' : above)
  }

  /**
   * open(2), with no link on the way. System errors: ELOOP or ENOTDIR for a
   * link. The caller closes the descriptor.
   */
  open(flags: number): number {
    return this.directory.open(this.relative, flags)
  }

  /**
   * Runs `work` with a path whose last name is here; the names before it are
   * resolved already. For calls that do not follow the last name.
   */
  reach<T>(work: (path: string) => T): T {
    const { fd } = this.directory
    if (this.relative === '') return work(`${descriptorPath(fd)}/.`)
    const above = dirname(this.relative)
    if (above === '.') return work(`${descriptorPath(fd)}/${this.relative}`)
    const parent = this.directory.open(above, O_PATH | O_DIRECTORY)
    try {
      return work(`${descriptorPath(parent)}/${this.name}`)
    } finally {
      closeSync(parent)
    }
  }
}

/** A path that is trusted as it stands, or one below a held directory. */
export type FilePlace = string | HeldPath

/** open(2) of `place` without following a link at its end. */
export const openPlace = (
  place: FilePlace,
  flags: number,
  mode?: number,
): number => {
  if (typeof place === 'string')
    return openSync(place, flags | O_NOFOLLOW, mode)
  return (flags & constants.O_CREAT) === 0
    ? place.open(flags)
    : place.reach(path => openSync(path, flags | O_NOFOLLOW, mode))
}

/** `name` in the directory `place`. */
export const childOf = <T extends FilePlace>(place: T, name: string): T =>
  (typeof place === 'string' ? join(place, name) : place.child(name)) as T

/** The directory that `place` is in. */
export const parentOf = <T extends FilePlace>(place: T): T =>
  (typeof place === 'string' ? dirname(place) : place.parent()) as T

/** Opens the directory at `place` for reading; the caller closes it. */
export const openDirectory = (place: FilePlace): number =>
  openPlace(place, O_RDONLY | O_DIRECTORY)
