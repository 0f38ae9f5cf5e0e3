/**
 * The one door through which a repository is changed.
 *
 * Everything else that a repository does to a disk is reading. So a test that
 * stands in this door sees every operation that a power cut, a full disk or a
 * bad sector could hit, and can make it happen there (faulty-disk.ts).
 * scripts/check-layers.mjs refuses other ways to change files in the folders
 * that write repositories.
 */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs'

export type DiskOperation =
  | { readonly kind: 'create'; readonly path: string }
  | { readonly kind: 'write'; readonly fd: number; readonly length: number }
  | { readonly kind: 'fsync'; readonly fd: number }
  | { readonly kind: 'fsync-directory'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'mkdir'; readonly path: string }
  | { readonly kind: 'rmdir'; readonly path: string }

export interface DiskGuard {
  /** Stands for the operation: performs it, or does something worse. */
  pass<T>(operation: DiskOperation, perform: () => T): T
  /** A write, which may be cut short to `allowed` bytes. */
  passWrite(
    operation: DiskOperation,
    length: number,
    perform: (allowed: number) => number,
  ): number
  /** The descriptor that was made for `path`, and its end. */
  opened(fd: number, path: string): void
  closed(fd: number): void
}

let guard: DiskGuard | undefined

/** Puts a guard into the door, or takes it out. For tests. */
export const guardDisk = (next: DiskGuard | undefined): void => {
  guard = next
}

const through = <T>(operation: DiskOperation, perform: () => T): T =>
  guard === undefined ? perform() : guard.pass(operation, perform)

/** Makes a file that is not there and opens it for writing. */
export const createFile = (path: string, mode = 0o644): number => {
  const fd = through({ kind: 'create', path }, () => openSync(path, 'wx', mode))
  guard?.opened(fd, path)
  return fd
}

/** write(2); the count may be smaller than asked for. */
export const writeSome = (
  fd: number,
  bytes: Uint8Array,
  begin: number,
  position: number | null,
): number => {
  const length = bytes.length - begin
  const perform = (allowed: number) =>
    writeSync(fd, bytes, begin, allowed, position)
  if (guard === undefined) return perform(length)
  return guard.passWrite({ kind: 'write', fd, length }, length, perform)
}

export const syncFile = (fd: number): void =>
  through({ kind: 'fsync', fd }, () => fsyncSync(fd))

export const closeFile = (fd: number): void => {
  guard?.closed(fd)
  closeSync(fd)
}

/** Makes the names in `path` durable. */
export const syncDirectory = (path: string): void =>
  through({ kind: 'fsync-directory', path }, () => {
    const fd = openSync(path, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  })

export const renameFile = (path: string, to: string): void =>
  through({ kind: 'rename', path, to }, () => renameSync(path, to))

export const unlinkFile = (path: string): void =>
  through({ kind: 'unlink', path }, () => unlinkSync(path))

export const makeDirectory = (path: string): void =>
  through({ kind: 'mkdir', path }, () => mkdirSync(path))

export const removeDirectory = (path: string): void =>
  through({ kind: 'rmdir', path }, () => rmdirSync(path))
