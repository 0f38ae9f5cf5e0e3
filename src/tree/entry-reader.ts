/**
 * Reads one entry of a source: what the scan saw of it, its content, target and
 * xattrs.
 *
 * The entry is opened once, in a directory that is held open, and all is read
 * from that descriptor; afterwards its status must be the one that was scanned.
 * Who exchanges names meanwhile has nothing else read for them.
 */

import { closeSync, constants } from '../system/files.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { digestOf } from '../objects/digest.ts'
import { kindOfMode } from '../objects/fs-object.ts'
import type { FsObject, HardLinks, Xattr } from '../objects/fs-object.ts'
import { LINK_GROUP_BYTES } from '../objects/limits.ts'
import type { ObjectSink } from '../store/object-writer.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import { O_PATH } from '../system/held-path.ts'
import { statusOf } from '../system/file-status.ts'
import type { FileStatus } from '../system/file-status.ts'
import { canUseXattrs, readXattrsOf } from '../system/xattr.ts'
import { importFileContent } from './import-file.ts'
import type { FileContent } from './import-file.ts'
import { inodeKey } from './scan.ts'
import type { LinkGroup } from './scan.ts'
import { changedError, limitAt } from './source-error.ts'

const MAX_TRIES = 4

/** What an entry holds besides its status. */
export interface EntryContent {
  readonly xattrs: readonly Xattr[]
  /** Of a file. */
  readonly file?: FileContent
  /** Of a symbolic link. */
  readonly target?: string
}

export interface ReadEntry {
  readonly status: FileStatus
  readonly content: EntryContent
}

export interface EntryReaderOptions {
  /** Take what changes as it is in the end instead of failing. */
  readonly allowChanging: boolean
  /** Told of bytes that were read. */
  readonly onBytes: (count: number) => void
}

export class EntryReader {
  filesRead = 0
  readonly #writer: ObjectSink
  readonly #options: EntryReaderOptions
  readonly #hasXattrs = canUseXattrs()

  constructor(writer: ObjectSink, options: EntryReaderOptions) {
    this.#writer = writer
    this.#options = options
  }

  /** Of the directory itself. */
  xattrsOf(fd: number): readonly Xattr[] {
    return this.#hasXattrs ? readXattrsOf(fd) : []
  }

  /**
   * Reads `name`, which had `status`; with `allowChanging` again until it holds
   * still. `path` (raw) names it in errors. Errors: `SOURCE_CHANGED`, system
   * errors.
   */
  async read(
    directory: DirectoryHandle,
    name: string,
    status: FileStatus,
    path: string,
  ): Promise<ReadEntry> {
    let expected = status
    for (let tries = 1; ; tries++) {
      const read = await this.#once(directory, name, expected).catch(
        (error: unknown) => ({ error }),
      )
      if ('after' in read && isSame(expected, read.after))
        return { status: expected, content: read.content }
      const now = directory.status(name)
      if ('error' in read && isSame(expected, now))
        throw limitAt(path, read.error)
      if (!this.#options.allowChanging)
        throw changedError(path, 'it changed while it was read')
      if (kindOfMode(now.mode) !== kindOfMode(status.mode))
        throw changedError(path, 'it was replaced while the tree was read')
      if (tries === MAX_TRIES) {
        if ('error' in read) throw read.error
        return { status: expected, content: read.content }
      }
      expected = now
    }
  }

  /** Reads `name` as what `status` says that it is. */
  async #once(
    directory: DirectoryHandle,
    name: string,
    status: FileStatus,
  ): Promise<{ content: EntryContent; after: FileStatus }> {
    const kind = kindOfMode(status.mode)
    const isRead = kind === 'file' && status.sizeBytes > 0
    const flags = isRead ? constants.O_RDONLY : O_PATH
    const fd = directory.openFile(name, flags)
    try {
      const xattrs = this.xattrsOf(fd)
      const content: EntryContent =
        kind === 'file'
          ? { xattrs, file: await this.#content(fd, status) }
          : kind === 'symlink'
            ? { xattrs, target: directory.readLink(name) }
            : { xattrs }
      return { content, after: statusOf(fd) }
    } finally {
      closeSync(fd)
    }
  }

  #content(fd: number, status: FileStatus): Promise<FileContent> {
    this.filesRead++
    return importFileContent(fd, status, this.#writer, this.#options.onBytes)
  }
}

/**
 * The object for `status` and what was read of it, or what is known of it from
 * an object. Errors: `SOURCE_CHANGED` for a type that no commit has.
 */
export const makeObject = (
  path: string,
  status: FileStatus,
  content: EntryContent,
  groups: ReadonlyMap<string, LinkGroup>,
): FsObject => {
  const { mode, uid, gid, mtimeSec, mtimeNsec } = status
  const { xattrs } = content
  const links = linksOf(status, groups)
  const common = { mode, uid, gid, mtimeSec, mtimeNsec, xattrs, links }
  const kind = kindOfMode(mode)
  switch (kind) {
    case 'file':
      return { kind, ...common, ...(content.file as FileContent) }
    case 'symlink':
      return { kind, ...common, target: content.target as string }
    case 'char':
    case 'block': {
      const { rdevMajor: major, rdevMinor: minor } = status
      return { kind, ...common, major, minor }
    }
    case 'fifo':
    case 'socket':
      return { kind, ...common }
    case 'directory':
    case undefined:
      throw changedError(path, 'its type changed while the tree was read')
  }
}

/** What was read when the object was made. */
export const contentOf = (object: FsObject): EntryContent => {
  const { xattrs, kind } = object
  if (kind === 'symlink') return { xattrs, target: object.target }
  if (kind !== 'file') return { xattrs }
  const { sizeBytes, dataBytes, content } = object
  return { xattrs, file: { sizeBytes, dataBytes, content } }
}

const linksOf = (
  status: FileStatus,
  groups: ReadonlyMap<string, LinkGroup>,
): HardLinks | undefined => {
  if (status.nlink < 2) return undefined
  const group = groups.get(inodeKey(status))
  if (group === undefined) return undefined
  const digest: string = digestOf(latin1ToBytes(group.firstPath))
  return { nlink: group.count, group: digest.slice(0, LINK_GROUP_BYTES) }
}

const isSame = (a: FileStatus, b: FileStatus): boolean =>
  a.mode === b.mode &&
  a.sizeBytes === b.sizeBytes &&
  a.mtimeSec === b.mtimeSec &&
  a.mtimeNsec === b.mtimeNsec &&
  a.ctimeSec === b.ctimeSec &&
  a.ctimeNsec === b.ctimeNsec &&
  inodeKey(a) === inodeKey(b)
