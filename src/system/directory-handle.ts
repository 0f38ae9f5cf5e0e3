/**
 * A directory held open, and what is in it reached by one name from there.
 *
 * A path that somebody else can change means another file each time it is
 * resolved. So a walk resolves nothing twice: it holds directories by
 * descriptor, takes one name at a time and follows no link. Names are raw
 * bytes as latin1 text.
 *
 * `at(name)` is a path through /proc/self/fd (proc_pid_fd(5)): its directory is
 * the descriptor, whatever has become of the names above it, and its last name
 * is not followed by the calls that never follow one (lstat, readlink, mkdir,
 * mknod, unlink, rename, link, symlink, lchown, utimensat, l*xattr). What does
 * follow (open, chmod) goes through `openFile`.
 */

import {
  closeSync,
  constants,
  descriptorPath,
  existsSync,
  openSync,
  readdirSync,
  readlinkSync,
} from './files.ts'
import type { Dirent } from './files.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { DendroError, errnoOf } from '../errors.ts'
import { listNames } from './directory-names.ts'
import type { DirectoryNames } from './directory-names.ts'
import { lstatBytes, statAt, statusOf } from './file-status.ts'
import type { FileStatus } from './file-status.ts'
import { openBeneath, openInRoot } from './resolve.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

/** Identity of a file while its file system is mounted. */
export const isSameFile = (
  a: Pick<FileStatus, 'dev' | 'inoHigh' | 'inoLow'>,
  b: Pick<FileStatus, 'dev' | 'inoHigh' | 'inoLow'>,
): boolean =>
  a.dev === b.dev && a.inoLow === b.inoLow && a.inoHigh === b.inoHigh

/** A name of one directory; a path here would be a way out. */
const checkName = (name: string): void => {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name))
    throw new RangeError(`'${name}' is not a name in a directory`)
}

// Looked for once a process; /proc does not go away.
let isProcThere = false

/** Errors: `NOT_FOUND`, where every name would seem not to be there. */
const requireProc = (): void => {
  if (isProcThere) return
  if (!existsSync('/proc/self/fd'))
    throw new DendroError(
      'NOT_FOUND',
      'there is no /proc, through which files are reached',
      { hint: 'mount it: mount -t proc proc /proc' },
    )
  isProcThere = true
}

export class DirectoryHandle {
  readonly fd: number
  readonly #prefix: string

  private constructor(fd: number) {
    requireProc()
    this.fd = fd
    this.#prefix = `${descriptorPath(fd)}/`
  }

  /**
   * Opens `path` (raw bytes) as whoever named it meant it: links in it are
   * followed. Errors: `NOT_FOUND` where there is no /proc. System errors:
   * ENOENT, ENOTDIR, EACCES.
   */
  static open(path: Buffer): DirectoryHandle {
    return new DirectoryHandle(openSync(path, O_RDONLY | O_DIRECTORY))
  }

  /** Takes a descriptor of a directory; `close` closes it. */
  static of(fd: number): DirectoryHandle {
    return new DirectoryHandle(fd)
  }

  /** The path of `name` in this directory; valid until `close`. */
  at(name: string): Buffer {
    checkName(name)
    return latin1ToBytes(this.#prefix + name)
  }

  /** The path of the directory itself; valid until `close`. */
  get itself(): Buffer {
    return latin1ToBytes(`${this.#prefix}.`)
  }

  /** The directory `name`. System errors: ENOTDIR for a link too, ENOENT. */
  child(name: string): DirectoryHandle {
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
    return new DirectoryHandle(openSync(this.at(name), flags))
  }

  /** The directory that this one is in now. */
  parent(): DirectoryHandle {
    const path = latin1ToBytes(`${this.#prefix}..`)
    return new DirectoryHandle(openSync(path, O_RDONLY | O_DIRECTORY))
  }

  /**
   * The directory at the relative `path`, each name of it a directory and none
   * a link. System errors: ELOOP or ENOTDIR for a link, EXDEV for `..` out.
   */
  beneath(path: string): DirectoryHandle {
    return new DirectoryHandle(
      openBeneath(this.fd, path, O_RDONLY | O_DIRECTORY),
    )
  }

  /** The directory at `path` as a process sees it whose root this is. */
  inRoot(path: string): DirectoryHandle {
    return new DirectoryHandle(
      openInRoot(this.fd, path, O_RDONLY | O_DIRECTORY),
    )
  }

  /**
   * Opens the file `name`: no link is followed, no device or pipe is waited
   * for. `flags` besides O_NOFOLLOW and O_NONBLOCK. The caller closes it.
   * System errors: ELOOP for a link.
   */
  openFile(name: string, flags: number, mode?: number): number {
    return openSync(this.at(name), flags | O_NOFOLLOW | O_NONBLOCK, mode)
  }

  /** lstat(2) of `name`, or of the directory itself. System errors: ENOENT. */
  status(name?: string): FileStatus {
    if (name === undefined) return statusOf(this.fd)
    checkName(name)
    return statAt(this.fd, latin1ToBytes(name)) ?? lstatBytes(this.at(name))
  }

  /** The same, or undefined where there is no such name. */
  find(name: string): FileStatus | undefined {
    try {
      return this.status(name)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** Target of the link `name`. System errors: EINVAL for what is none. */
  readLink(name: string): string {
    return readlinkSync(this.at(name), { encoding: 'latin1' })
  }

  /** Names and their types, in the order of the file system, without . and .. */
  list(): Dirent[] {
    return readdirSync(latin1ToBytes(this.#prefix), {
      encoding: 'latin1',
      withFileTypes: true,
    })
  }

  /** The names, in the order of the file system; once for a handle. */
  names(): DirectoryNames {
    const known = listNames(this.fd)
    if (known !== undefined) return known
    const entries = this.list()
    const directories = entries.filter(entry => entry.isDirectory())
    return {
      names: entries.map(({ name }) => name),
      directories: new Set(directories.map(({ name }) => name)),
    }
  }

  close(): void {
    closeSync(this.fd)
  }
}
