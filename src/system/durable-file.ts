/**
 * The one way files become visible: write aside, fsync, rename, fsync the
 * directory. A power cut at any point leaves the old file or the new one.
 */

import { readdirSync, statSync } from './files.ts'
import { basename, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { errnoOf } from '../errors.ts'
import {
  closeFile,
  createFile,
  makeDirectory,
  renameFile,
  syncDirectory,
  syncFile,
  unlinkFile,
  writeSome,
} from './disk.ts'
import { childOf, parentOf } from './held-path.ts'
import type { FilePlace } from './held-path.ts'
import { statPlace } from './plain-file.ts'

/** A name that no other process uses, for a file on its way. */
export const temporaryName = (stem: string): string =>
  `${stem}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`

/** Writes all of `bytes`; a short write goes on where it stopped. */
export const writeFully = (
  fd: number,
  bytes: Uint8Array,
  position: number | null = null,
): void => {
  let done = 0
  while (done < bytes.length)
    done += writeSome(
      fd,
      bytes,
      done,
      position === null ? null : position + done,
    )
}

/** Removes `path`; that it is not there is well. */
export const removeIfThere = (path: FilePlace): void => {
  try {
    unlinkFile(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

/** Writes a whole new file; `isDurable` also to the disk. */
const writeNew = (
  path: FilePlace,
  bytes: Uint8Array,
  isDurable: boolean,
): void => {
  const fd = createFile(path)
  try {
    writeFully(fd, bytes)
    if (isDurable) syncFile(fd)
  } finally {
    closeFile(fd)
  }
}

export interface WriteOptions {
  /** Where the file is on its way; on the same file system. */
  readonly temporaryDirectory?: FilePlace
}

/** Of the name of a file, in characters: with what is added it is a name too. */
const MAX_STEM = 32

/** A system error of a descriptor, with the path of the file that it is about. */
const about = (path: FilePlace, error: unknown): unknown =>
  error instanceof Error && 'syscall' in error && !('path' in error)
    ? Object.assign(error, { path: String(path) })
    : error

const replace = (
  path: FilePlace,
  bytes: Uint8Array,
  options: WriteOptions,
  isDurable: boolean,
): void => {
  const directory = options.temporaryDirectory ?? parentOf(path)
  const stem = Array.from(basename(String(path)))
    .slice(0, MAX_STEM)
    .join('')
  const temporary = childOf(directory, temporaryName(stem))
  try {
    writeNew(temporary, bytes, isDurable)
    renameFile(temporary, path)
  } catch (error) {
    try {
      removeIfThere(temporary)
    } catch {
      // The first error is the one to tell; the next writer sweeps up.
    }
    throw about(path, error)
  }
}

/** Replaces or creates `path` with `bytes`, durably and at once. */
export const writeDurably = (
  path: FilePlace,
  bytes: Uint8Array,
  options: WriteOptions = {},
): void => {
  replace(path, bytes, options, true)
  syncDirectory(parentOf(path))
}

/** Replaces or creates `path` at once; after a power cut it may be the old one or empty. */
export const writeAtomically = (
  path: FilePlace,
  bytes: Uint8Array,
  options: WriteOptions = {},
): void => replace(path, bytes, options, false)

/** Removes `path` durably. */
export const removeDurably = (path: FilePlace): void => {
  unlinkFile(path)
  syncDirectory(parentOf(path))
}

/** Makes `path` and what lacks above it, durably. */
export const makeDirectoryDurably = (path: FilePlace): void => {
  if (isDirectory(path)) return
  const parent = parentOf(path)
  if (String(parent) !== String(path)) makeDirectoryDurably(parent)
  try {
    makeDirectory(path)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  syncDirectory(parent)
}

/** Below a held directory a link to one is none. */
const isDirectory = (path: FilePlace): boolean =>
  (typeof path === 'string'
    ? statSync(path, { throwIfNoEntry: false })
    : statPlace(path)
  )?.isDirectory() === true

/** Makes a directory and everything below it durable. */
export const syncTree = (path: string): void => {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) syncTree(child)
    else if (entry.isFile()) syncDirectory(child)
  }
  syncDirectory(path)
}
