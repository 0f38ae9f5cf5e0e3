/**
 * Writes a commit out as plain files, exactly.
 *
 * Everything is made inside a new directory beside the target and renamed to
 * it at the end: a failed checkout leaves nothing, and no name is ever opened
 * that was not made here (`wx` and O_NOFOLLOW).
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
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { DendroError, wrapSystemError } from '../errors.ts'
import { latin1ToBytes, latin1ToDisplay } from '../bytes/latin1.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { encodeFsObject, S_IFMT } from '../objects/fs-object.ts'
import type {
  DirectoryObject,
  FileObject,
  FsObject,
} from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { temporaryName } from '../system/durable-file.ts'
import { setMtime } from '../system/file-times.ts'
import { check, shim } from '../system/native.ts'
import { removeTree } from '../system/remove-tree.ts'
import { writeXattr } from '../system/xattr.ts'
import { readContent } from './read-file.ts'
import { checkDepth } from './walk.ts'

/** Below this a copy costs less than asking for a reflink. */
const MIN_REFLINK_BYTES = 16 * 1024

export interface CheckoutOptions {
  /** Leave out what only root may do: owners, devices, privileged xattrs. */
  readonly asUser?: boolean
  readonly onProgress?: (files: number, bytes: number) => void
}

export interface CheckedOut {
  readonly files: number
  readonly bytes: number
  /** Raw paths of what `asUser` left out. */
  readonly leftOut: readonly string[]
}

/**
 * Makes `target` (raw path; absent or an empty directory) equal to `root`.
 * Errors: `TARGET_EXISTS`, `PERMISSION_DENIED`, `NO_SPACE`, those of reading.
 */
export const checkoutTree = (
  repository: Repository,
  root: DirectoryObject,
  target: string,
  options: CheckoutOptions = {},
): CheckedOut => {
  refuseExisting(target)
  const temporary = temporaryName(target)
  const writer = new CheckoutWriter(repository, temporary, options)
  try {
    writer.writeDirectory(root, '')
    renameSync(latin1ToBytes(temporary), latin1ToBytes(target))
  } catch (error) {
    removeTree(latin1ToBytes(temporary))
    throw wrapSystemError(
      `cannot check out to ${latin1ToDisplay(target)}`,
      error,
    )
  }
  return writer
}

const refuseExisting = (target: string): void => {
  const path = latin1ToBytes(target)
  const status = statSync(path, { throwIfNoEntry: false })
  if (status === undefined) return
  if (status.isDirectory() && readdirSync(path).length === 0) return
  throw new DendroError(
    'TARGET_EXISTS',
    `cannot check out to ${latin1ToDisplay(target)}: it exists and is not an empty directory`,
    { hint: 'name a new directory' },
  )
}

class CheckoutWriter implements CheckedOut {
  files = 0
  bytes = 0
  readonly leftOut: string[] = []
  readonly #repository: Repository
  readonly #target: string
  readonly #options: CheckoutOptions
  readonly #encoder = new MsgpackWriter()
  /** First path of each hard-linked object, and of each content for reflinks. */
  readonly #linked = new Map<string, string>()
  readonly #contents = new Map<string, string>()
  #canReflink = true

  constructor(
    repository: Repository,
    target: string,
    options: CheckoutOptions,
  ) {
    this.#repository = repository
    this.#target = target
    this.#options = options
  }

  writeDirectory(directory: DirectoryObject, path: string, depth = 0): void {
    checkDepth(depth)
    const full = this.#full(path)
    mkdirSync(latin1ToBytes(full), { mode: 0o700 })
    for (const { name, object } of this.#repository.loadTree(directory.tree)
      .entries) {
      const childPath = path === '' ? name : `${path}/${name}`
      if (object.kind === 'directory')
        this.writeDirectory(object, childPath, depth + 1)
      else this.#writeEntry(object, childPath)
    }
    this.#finish(directory, path)
  }

  #full(path: string): string {
    return path === '' ? this.#target : `${this.#target}/${path}`
  }

  #writeEntry(object: Exclude<FsObject, DirectoryObject>, path: string): void {
    const key = object.links === undefined ? undefined : this.#keyOf(object)
    const first = key === undefined ? undefined : this.#linked.get(key)
    const full = latin1ToBytes(this.#full(path))
    if (first !== undefined) {
      linkSync(latin1ToBytes(this.#full(first)), full)
      return
    }
    if (!this.#make(object, path, full)) return
    this.#finish(object, path)
    if (key !== undefined) this.#linked.set(key, path)
  }

  #keyOf(object: FsObject): string {
    this.#encoder.reset()
    encodeFsObject(this.#encoder, object)
    return this.#encoder.view(0).toString('latin1')
  }

  /** Makes the entry; false when it is left out. */
  #make(
    object: Exclude<FsObject, DirectoryObject>,
    path: string,
    full: Buffer,
  ): boolean {
    switch (object.kind) {
      case 'file':
        this.#writeFile(object, path, full)
        this.files++
        this.bytes += object.sizeBytes
        this.#options.onProgress?.(this.files, this.bytes)
        return true
      case 'symlink':
        symlinkSync(latin1ToBytes(object.target), full)
        return true
      case 'char':
      case 'block':
        if (this.#options.asUser === true) {
          this.leftOut.push(path)
          return false
        }
        this.#makeNode(full, object.mode, object.major, object.minor)
        return true
      case 'fifo':
      case 'socket':
        this.#makeNode(full, object.mode, 0, 0)
        return true
    }
  }

  #makeNode(full: Buffer, mode: number, major: number, minor: number): void {
    const result = shim().mknod(full, (mode & S_IFMT) | 0o600, major, minor)
    check(result, `cannot make ${full.toString()}`)
  }

  #writeFile(file: FileObject, path: string, full: Buffer): void {
    const contentKey =
      file.sizeBytes < MIN_REFLINK_BYTES || !this.#canReflink
        ? undefined
        : this.#contentKey(file)
    const same =
      contentKey === undefined ? undefined : this.#contents.get(contentKey)
    if (same !== undefined && this.#reflink(same, full)) return
    const flags =
      constants.O_WRONLY |
      constants.O_CREAT |
      constants.O_EXCL |
      constants.O_NOFOLLOW
    const fd = openSync(full, flags, 0o600)
    try {
      let end = 0
      for (const run of readContent(this.#repository, file)) {
        if (run.bytes !== undefined) writeRun(fd, run.bytes, run.offsetBytes)
        end = run.offsetBytes + (run.bytes === undefined ? 0 : run.lengthBytes)
      }
      if (end !== file.sizeBytes) ftruncateSync(fd, file.sizeBytes)
      fchmodSync(fd, 0o600)
    } finally {
      closeSync(fd)
    }
    if (contentKey !== undefined) this.#contents.set(contentKey, path)
  }

  #contentKey(file: FileObject): string {
    const { content } = file
    if (typeof content === 'string') return content
    return content.map(e => `${e.lengthBytes}:${e.chunk ?? ''}`).join()
  }

  #reflink(same: string, full: Buffer): boolean {
    try {
      copyFileSync(
        latin1ToBytes(this.#full(same)),
        full,
        constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL,
      )
      return true
    } catch {
      // This file system cannot; the content is written instead.
      this.#canReflink = false
      rmSync(full, { force: true })
      return false
    }
  }

  /** Owner, mode, xattrs, and the time last, since all else changes it. */
  #finish(object: FsObject, path: string): void {
    const full = latin1ToBytes(this.#full(path))
    if (this.#options.asUser !== true) lchownSync(full, object.uid, object.gid)
    for (const { name, value } of object.xattrs) {
      const isPrivileged = /^(security|trusted)\./.test(name)
      if (this.#options.asUser === true && isPrivileged) this.leftOut.push(path)
      else writeXattr(full, name, value)
    }
    if (object.kind !== 'symlink') chmodSync(full, object.mode & 0o7777)
    setMtime(full, object.mtimeSec, object.mtimeNsec)
  }
}

const writeRun = (fd: number, bytes: Buffer, position: number): void => {
  let done = 0
  while (done < bytes.length)
    done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}
