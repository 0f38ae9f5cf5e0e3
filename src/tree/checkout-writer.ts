/**
 * Writes a tree below a directory that nobody else can enter, exactly.
 *
 * Directories are held by descriptor, names are made with O_EXCL and no link is
 * followed. The way down is a list and not the stack.
 */

import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  writeSync,
} from '../system/files.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { errnoOf } from '../errors.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { encodeFsObject, S_IFMT } from '../objects/fs-object.ts'
import type {
  DirectoryObject,
  FileObject,
  FsObject,
} from '../objects/fs-object.ts'
import type { TreeEntry } from '../objects/tree.ts'
import type { FileReader } from '../store/object-reader.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import { DirectoryStack } from '../system/directory-stack.ts'
import { lstatBytes } from '../system/file-status.ts'
import { setMtime } from '../system/file-times.ts'
import { check, shim } from '../system/native.ts'
import { writeXattr } from '../system/xattr.ts'
import type { CheckoutOptions } from './checkout.ts'
import { isPrivilegedXattr, unfit } from './checkout-needs.ts'
import { readContent } from './read-file.ts'
import { joinRaw } from './scan.ts'
import { checkDepth } from './walk.ts'

/** Below this a copy costs less than asking for a reflink. */
const MIN_REFLINK_BYTES = 16 * 1024

/** A directory that was begun. */
interface Level {
  readonly name: string
  readonly directory: DirectoryObject
  readonly entries: readonly TreeEntry[]
  next: number
}

type Leaf = Exclude<FsObject, DirectoryObject>

export class CheckoutWriter {
  files = 0
  bytes = 0
  /** Raw paths of what only root may make. */
  readonly leftOut: string[] = []
  /** Objects whose xattrs were left out on request. */
  withoutXattrs = 0
  readonly #store: FileReader
  readonly #root: DirectoryHandle
  readonly #stack: DirectoryStack
  readonly #options: CheckoutOptions
  readonly #encoder = new MsgpackWriter()
  /** First path of each hard-linked object, and of each content for reflinks. */
  readonly #linked = new Map<string, string>()
  readonly #contents = new Map<string, string>()
  #canReflink = true

  /** Writes below `root`, an empty directory of ours of mode 0700. */
  constructor(
    store: FileReader,
    root: DirectoryHandle,
    options: CheckoutOptions,
  ) {
    this.#store = store
    this.#root = root
    this.#stack = new DirectoryStack(root)
    this.#options = options
  }

  /** Writes everything in `directory`, and nothing of the directory itself. */
  writeTree(directory: DirectoryObject): void {
    const levels = [this.#begin(directory, '')]
    try {
      for (let level = levels[0]; level !== undefined; level = levels.at(-1)) {
        const entry = level.entries[level.next++]
        if (entry === undefined) {
          levels.pop()
          if (levels.length > 0) this.#end(level)
        } else if (entry.object.kind === 'directory') {
          checkDepth(levels.length)
          mkdirSync(this.#stack.top.at(entry.name), { mode: 0o700 })
          this.#stack.enter(entry.name)
          levels.push(this.#begin(entry.object, entry.name))
        } else this.#writeEntry(entry.object, entry.name)
      }
    } finally {
      this.#stack.close()
    }
  }

  /**
   * Owner, mode, xattrs, and the time last, since all else changes it. `own`
   * is its name in the directory where the walk stands.
   */
  finish(object: FsObject, at: Buffer, own = ''): void {
    const { asUser, noXattrs } = this.#options
    if (asUser !== true) lchownSync(at, object.uid, object.gid)
    if (noXattrs === true && object.xattrs.length > 0) this.withoutXattrs++
    else
      for (const { name, value } of object.xattrs)
        if (asUser === true && isPrivilegedXattr(name))
          this.leftOut.push(this.#pathOf(own))
        else writeXattr(at, name, value)
    if (object.kind !== 'symlink') chmodSync(at, object.mode & 0o7777)
    setMtime(at, object.mtimeSec, object.mtimeNsec)
  }

  #begin(directory: DirectoryObject, name: string): Level {
    const { entries } = this.#store.loadTree(directory.tree)
    return { name, directory, entries, next: 0 }
  }

  #end({ name, directory }: Level): void {
    this.#stack.leave()
    this.finish(directory, this.#stack.top.at(name), name)
  }

  #pathOf(name: string): string {
    return joinRaw(this.#stack.path, name)
  }

  #writeEntry(object: Leaf, name: string): void {
    const key = object.links === undefined ? undefined : this.#keyOf(object)
    const first = key === undefined ? undefined : this.#linked.get(key)
    const at = this.#stack.top.at(name)
    if (first !== undefined) {
      this.#from(first, source => makeLink(source, at))
      return
    }
    if (!this.#make(object, name, at)) return
    this.finish(object, at, name)
    if (key !== undefined) this.#linked.set(key, this.#pathOf(name))
  }

  #keyOf(object: FsObject): string {
    this.#encoder.reset()
    encodeFsObject(this.#encoder, object)
    return this.#encoder.view(0).toString('latin1')
  }

  /** Does something with what was written at `path` before. */
  #from(path: string, work: (at: Buffer) => void): void {
    const slash = path.lastIndexOf('/')
    const directory = this.#root.beneath(path.slice(0, Math.max(0, slash)))
    try {
      work(directory.at(path.slice(slash + 1)))
    } finally {
      directory.close()
    }
  }

  /** Makes the entry; false when it is left out. */
  #make(object: Leaf, name: string, at: Buffer): boolean {
    switch (object.kind) {
      case 'file':
        this.#writeFile(object, name, at)
        this.files++
        this.bytes += object.sizeBytes
        this.#options.onProgress?.(this.files, this.bytes)
        return true
      case 'symlink':
        symlinkSync(latin1ToBytes(object.target), at)
        return true
      case 'char':
      case 'block':
        if (this.#options.asUser === true) {
          this.leftOut.push(this.#pathOf(name))
          return false
        }
        makeNode(at, object.mode, object.major, object.minor)
        return true
      case 'fifo':
      case 'socket':
        makeNode(at, object.mode, 0, 0)
        return true
    }
  }

  #writeFile(file: FileObject, name: string, at: Buffer): void {
    const contentKey =
      file.sizeBytes < MIN_REFLINK_BYTES || !this.#canReflink
        ? undefined
        : contentKeyOf(file)
    const same =
      contentKey === undefined ? undefined : this.#contents.get(contentKey)
    if (same !== undefined && this.#reflink(same, at)) return
    const { O_WRONLY, O_CREAT, O_EXCL } = constants
    const fd = this.#stack.top.openFile(
      name,
      O_WRONLY | O_CREAT | O_EXCL,
      0o600,
    )
    try {
      this.#writeContent(fd, file)
      fchmodSync(fd, 0o600)
    } finally {
      closeSync(fd)
    }
    if (contentKey !== undefined)
      this.#contents.set(contentKey, this.#pathOf(name))
  }

  #writeContent(fd: number, file: FileObject): void {
    let end = 0
    for (const run of readContent(this.#store, file)) {
      if (run.bytes === undefined) continue
      writeRun(fd, run.bytes, run.offsetBytes)
      end = run.offsetBytes + run.lengthBytes
    }
    if (end !== file.sizeBytes) ftruncateSync(fd, file.sizeBytes)
  }

  #reflink(same: string, at: Buffer): boolean {
    const how = constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL
    try {
      this.#from(same, source => copyFileSync(source, at, how))
      return true
    } catch {
      // This file system cannot; the content is written instead.
      this.#canReflink = false
      rmSync(at, { force: true })
      return false
    }
  }
}

const writeRun = (fd: number, bytes: Buffer, position: number): void => {
  let done = 0
  while (done < bytes.length)
    done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}

/** Errors: `UNSUPPORTED_FILE_SYSTEM` where a file may not have so many links. */
const makeLink = (source: Buffer, at: Buffer): void => {
  try {
    linkSync(source, at)
  } catch (error) {
    if (errnoOf(error) !== 'EMLINK') throw error
    const { nlink } = lstatBytes(source)
    throw unfit(`more than ${nlink} hard links of one file`, error)
  }
}

const makeNode = (
  at: Buffer,
  mode: number,
  major: number,
  minor: number,
): void => {
  const result = shim().mknod(at, (mode & S_IFMT) | 0o600, major, minor)
  check(result, 'cannot make a pipe or device')
}

const contentKeyOf = ({ content }: FileObject): string =>
  typeof content === 'string'
    ? content
    : content.map(e => `${e.lengthBytes}:${e.chunk ?? ''}`).join()
