/**
 * The one door through which a repository is changed.
 *
 * Everything else that a repository does to a disk is reading. So a test that
 * stands in this door sees every operation that a power cut, a full disk or a
 * bad sector could hit, and can make it happen there (faulty-disk.ts).
 * scripts/build/check-layers.mjs refuses other ways to change files in the folders
 * that write repositories.
 */

import { textToBytes } from '../bytes/byte-text.ts'
import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from './files.ts'
import { HeldPath, openPlace } from './held-path.ts'
import { check, shim } from './native.ts'

/** A path: text, bytes that need not be UTF-8, or one below a held directory. */
export type DiskPath = string | Buffer | HeldPath

/** Runs `work` with what the system is given for `path`. */
const reach = <T>(path: DiskPath, work: (path: string | Buffer) => T): T =>
  path instanceof HeldPath ? path.reach(work) : work(path)

export type DiskOperation =
  | { readonly kind: 'create'; readonly path: string }
  | { readonly kind: 'write'; readonly fd: number; readonly length: number }
  | { readonly kind: 'fsync'; readonly fd: number }
  | { readonly kind: 'fsync-directory'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  /** Two names that change places. */
  | { readonly kind: 'exchange'; readonly path: string; readonly to: string }
  | { readonly kind: 'link'; readonly path: string }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'mkdir'; readonly path: string }
  | { readonly kind: 'rmdir'; readonly path: string }
  | { readonly kind: 'symlink'; readonly path: string }
  | { readonly kind: 'mknod'; readonly path: string }
  /** Owner, mode, xattrs or time of what has a name. */
  | { readonly kind: 'attributes'; readonly path: string }

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

// For tests alone, which stop or fail what any code does to the disk.
let guard: DiskGuard | undefined

/** Puts a guard into the door, or takes it out. For tests. */
export const guardDisk = (next: DiskGuard | undefined): void => {
  guard = next
}

const through = <T>(operation: DiskOperation, perform: () => T): T =>
  guard === undefined ? perform() : guard.pass(operation, perform)

/** Makes a file that is not there and opens it for writing. */
export const createFile = (path: DiskPath, mode = 0o644): number => {
  const operation = { kind: 'create', path: String(path) } as const
  const fd = through(operation, () =>
    reach(path, at => openSync(at, 'wx', mode)),
  )
  guard?.opened(fd, operation.path)
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

/** Sets the length of an open file. */
export const setLength = (fd: number, path: DiskPath, length: number): void =>
  through({ kind: 'attributes', path: String(path) }, () =>
    ftruncateSync(fd, length),
  )

export const syncFile = (fd: number): void =>
  through({ kind: 'fsync', fd }, () => fsyncSync(fd))

export const closeFile = (fd: number): void => {
  guard?.closed(fd)
  closeSync(fd)
}

/** Makes the names in `path` durable. */
export const syncDirectory = (path: DiskPath): void =>
  through({ kind: 'fsync-directory', path: String(path) }, () => {
    const fd =
      path instanceof HeldPath
        ? openPlace(path, constants.O_RDONLY)
        : openSync(path, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  })

export const renameFile = (path: DiskPath, to: DiskPath): void =>
  through({ kind: 'rename', path: String(path), to: String(to) }, () =>
    reach(path, at => reach(to, target => renameSync(at, target))),
  )

/** Has two names of one file system change places. */
export const exchangeFiles = (path: DiskPath, to: DiskPath): void => {
  const operation = {
    kind: 'exchange',
    path: String(path),
    to: String(to),
  } as const
  const perform = () =>
    reach(path, at =>
      reach(to, target => shim().exchange(bytesOf(at), bytesOf(target))),
    )
  // After the stop of a test there is no result.
  check(
    through(operation, perform) ?? 0,
    `cannot exchange ${operation.path} and ${operation.to}`,
  )
}

/** link(2): `path` becomes another name of `existing`, which is not followed. */
export const linkFile = (existing: DiskPath, path: DiskPath): void =>
  through({ kind: 'link', path: String(path) }, () =>
    reach(existing, from => reach(path, to => linkSync(from, to))),
  )

export const unlinkFile = (path: DiskPath): void =>
  through({ kind: 'unlink', path: String(path) }, () => reach(path, unlinkSync))

export const makeDirectory = (path: DiskPath, mode = 0o777): void =>
  through({ kind: 'mkdir', path: String(path) }, () =>
    reach(path, at => mkdirSync(at, mode)),
  )

export const removeDirectory = (path: DiskPath): void =>
  through({ kind: 'rmdir', path: String(path) }, () =>
    reach(path, at => rmdirSync(at)),
  )

export const makeSymlink = (target: string | Buffer, path: DiskPath): void =>
  through({ kind: 'symlink', path: String(path) }, () =>
    reach(path, at => symlinkSync(target, at)),
  )

const bytesOf = (path: string | Buffer): Buffer =>
  typeof path === 'string' ? textToBytes(path) : path

/** mknod(2); `mode` with the type bits. */
export const makeNode = (
  path: DiskPath,
  mode: number,
  major: number,
  minor: number,
): void => {
  const operation = { kind: 'mknod', path: String(path) } as const
  const perform = () =>
    reach(path, at => shim().mknod(bytesOf(at), mode, major, minor))
  // After the stop of a test there is no result.
  check(through(operation, perform) ?? 0, `cannot make ${operation.path}`)
}

/** Whatever changes the attributes of `path`; `perform` does it. */
export const setAttributes = (path: DiskPath, perform: () => void): void =>
  through({ kind: 'attributes', path: String(path) }, perform)
