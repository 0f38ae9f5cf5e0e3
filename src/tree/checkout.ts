/**
 * Writes a commit out as plain files, exactly.
 *
 * Everything is made inside a new directory that nobody else can enter, and
 * put into its place at the end: a failed checkout leaves nothing. Where the
 * target is an empty directory (a mount point, the working directory, what a
 * link leads to), that directory itself is filled.
 */

import { chmodSync, chownSync, mkdirSync, renameSync } from '../system/files.ts'
import { randomBytes } from 'node:crypto'
import { latin1ToBytes, latin1ToDisplay } from '../bytes/latin1.ts'
import { DendroError, errnoOf, wrapSystemError } from '../errors.ts'
import { ACL_ACCESS, ACL_DEFAULT } from '../objects/acl-xattr.ts'
import type { DirectoryObject } from '../objects/fs-object.ts'
import type { FileReader } from '../store/object-reader.ts'
import { DirectoryHandle, isSameFile } from '../system/directory-handle.ts'
import { tryShim } from '../system/native.ts'
import { removeAllIn, removeTreeIn } from '../system/remove-tree.ts'
import { isRoot } from '../system/root-user.ts'
import { dropXattr, readXattrs, writeXattr } from '../system/xattr.ts'
import { needsOf, refuseUnfit } from './checkout-needs.ts'
import { CheckoutWriter } from './checkout-writer.ts'

export interface CheckoutOptions {
  /** Leave out what only root may do: owners, devices, privileged xattrs. */
  readonly asUser?: boolean
  /** Leave out all xattrs. */
  readonly noXattrs?: boolean
  readonly onProgress?: (files: number, bytes: number) => void
}

export interface CheckedOut {
  readonly files: number
  readonly bytes: number
  /** Raw paths of what `asUser` left out. */
  readonly leftOut: readonly string[]
  /** Objects whose xattrs `noXattrs` left out. */
  readonly withoutXattrs: number
}

/**
 * Makes `target` (raw path; absent or an empty directory) equal to `root`.
 * Errors: `TARGET_EXISTS`, `UNSUPPORTED_FILE_SYSTEM`, `PERMISSION_DENIED`,
 * `NO_SPACE`, those of reading.
 */
export const checkoutTree = (
  store: FileReader,
  root: DirectoryObject,
  target: string,
  options: CheckoutOptions = {},
): CheckedOut => {
  try {
    const place = findPlace(target)
    try {
      return fill(place, store, root, options)
    } finally {
      place.directory.close()
    }
  } catch (error) {
    const what = `cannot check out to ${latin1ToDisplay(target)}`
    if (!(error instanceof DendroError)) throw wrapSystemError(what, error)
    if (error.code !== 'UNSUPPORTED_FILE_SYSTEM') throw error
    const { hint = '', cause } = error
    throw new DendroError(error.code, `${what}: ${error.message}`, {
      hint,
      cause,
    })
  }
}

/** Where a tree goes: a new name in a directory, or an empty directory itself. */
interface Place {
  readonly directory: DirectoryHandle
  readonly name: string | undefined
}

const findPlace = (target: string): Place => {
  const path = target.replace(/(?<=.)\/+$/, '')
  const existing = tryOpen(path)
  if (existing !== undefined) {
    if (existing.list().length === 0)
      return { directory: existing, name: undefined }
    existing.close()
    throw exists(target, 'it is a directory that is not empty')
  }
  const slash = path.lastIndexOf('/')
  const name = path.slice(slash + 1)
  const above = slash < 0 ? '.' : path.slice(0, slash + 1)
  const directory = DirectoryHandle.open(latin1ToBytes(above))
  // What is there and no directory, a link to nowhere too.
  if (directory.find(name) === undefined) return { directory, name }
  directory.close()
  throw exists(target, 'something else has that name')
}

const exists = (target: string, why: string): DendroError =>
  new DendroError(
    'TARGET_EXISTS',
    `cannot check out to ${latin1ToDisplay(target)}: ${why}`,
    { hint: 'name a new directory or an empty one' },
  )

/** The directory at `path`, or undefined where there is none. */
const tryOpen = (path: string): DirectoryHandle | undefined => {
  try {
    return DirectoryHandle.open(latin1ToBytes(path))
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

/** Short, whatever the target is called: its own name may be of 255 bytes. */
const temporaryDirectoryName = (): string =>
  `.dendro-checkout.${process.pid}.${randomBytes(6).toString('hex')}.tmp`

const fill = (
  { directory, name }: Place,
  store: FileReader,
  root: DirectoryObject,
  options: CheckoutOptions,
): CheckedOut => {
  const write = (inside: DirectoryHandle): CheckoutWriter => {
    refuseUnfit(inside, needsOf(store, root), options)
    const writer = new CheckoutWriter(store, inside, options)
    writer.writeTree(root)
    return writer
  }
  return name === undefined
    ? fillItself(directory, root, write)
    : fillNew(directory, name, root, write)
}

type Write = (inside: DirectoryHandle) => CheckoutWriter

/** Makes the directory `name`: beside it first, then by one rename. */
const fillNew = (
  directory: DirectoryHandle,
  name: string,
  root: DirectoryObject,
  write: Write,
): CheckedOut => {
  const temporary = temporaryDirectoryName()
  mkdirSync(directory.at(temporary), { mode: 0o700 })
  const inside = directory.child(temporary)
  try {
    makePrivate(inside)
    const writer = write(inside)
    writer.finish(root, inside.itself)
    renameSync(directory.at(temporary), directory.at(name))
    refuseOther(directory, name, inside)
    return writer
  } catch (error) {
    removeTreeIn(directory, temporary, inside.status())
    throw error
  } finally {
    inside.close()
  }
}

/** Fills the empty directory itself, which is nobody else's meanwhile. */
const fillItself = (
  directory: DirectoryHandle,
  root: DirectoryObject,
  write: Write,
): CheckedOut => {
  const before = directory.status()
  const xattrs = tryShim() === undefined ? [] : readXattrs(directory.itself)
  makePrivate(directory)
  try {
    if (directory.list().length > 0)
      throw exists('there', 'somebody made something in it meanwhile')
    try {
      const writer = write(directory)
      dropForeignXattrs(directory, root)
      writer.finish(root, directory.itself)
      return writer
    } catch (error) {
      removeAllIn(directory)
      throw error
    }
  } catch (error) {
    chownSync(directory.itself, before.uid, before.gid)
    chmodSync(directory.itself, before.mode & 0o7777)
    for (const { name, value } of xattrs)
      writeXattr(directory.itself, name, value)
    throw error
  }
}

/**
 * Ours alone, whatever the directory above gave it: no ACLs, which what is
 * made in it would get as well, and nobody else may enter.
 */
const makePrivate = (directory: DirectoryHandle): void => {
  const { itself } = directory
  if (tryShim() !== undefined)
    for (const name of [ACL_DEFAULT, ACL_ACCESS]) dropXattr(itself, name)
  if (isRoot()) chownSync(itself, 0, 0)
  chmodSync(itself, 0o700)
}

/** Who may write in the directory above may have put another one there. */
const refuseOther = (
  directory: DirectoryHandle,
  name: string,
  written: DirectoryHandle,
): void => {
  const found = directory.find(name)
  if (found !== undefined && isSameFile(found, written.status())) return
  throw new DendroError(
    'TARGET_EXISTS',
    `cannot check out to ${latin1ToDisplay(name)}: somebody put another directory there meanwhile`,
    { hint: 'check out into a directory that is yours alone' },
  )
}

/** What an empty directory had and the commit has not; labels stay. */
const dropForeignXattrs = (
  target: DirectoryHandle,
  { xattrs }: DirectoryObject,
): void => {
  if (tryShim() === undefined) return
  const wanted = new Set(xattrs.map(({ name }) => name))
  for (const { name } of readXattrs(target.itself))
    if (!wanted.has(name) && !name.startsWith('security.'))
      dropXattr(target.itself, name)
}
