/**
 * The one way files become visible: write aside, fsync, rename, fsync the
 * directory. A power cut at any point leaves the old file or the new one.
 */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'

/** A name that no other process uses, for a file on its way. */
export const temporaryName = (stem: string): string =>
  `${stem}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`

/** Makes the names in `directory` durable. */
export const syncDirectory = (directory: string): void => {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Writes all of `bytes`; a short write goes on where it stopped. */
export const writeFully = (
  fd: number,
  bytes: Uint8Array,
  position: number | null = null,
): void => {
  let done = 0
  while (done < bytes.length) {
    done += writeSync(
      fd,
      bytes,
      done,
      bytes.length - done,
      position === null ? null : position + done,
    )
  }
}

/** Replaces or creates `path` with `bytes`, durably and at once. */
export const writeDurably = (
  path: string,
  bytes: Uint8Array,
  options: { readonly temporaryDirectory?: string } = {},
): void => {
  const directory = dirname(path)
  const temporary = join(
    options.temporaryDirectory ?? directory,
    temporaryName(basename(path)),
  )
  const fd = openSync(temporary, 'wx', 0o644)
  try {
    try {
      writeFully(fd, bytes)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncDirectory(directory)
}

/** Removes `path` durably. */
export const removeDurably = (path: string): void => {
  unlinkSync(path)
  syncDirectory(dirname(path))
}

/** Makes `path` and what lacks above it, durably. */
export const makeDirectoryDurably = (path: string): void => {
  const first = mkdirSync(path, { recursive: true })
  if (first === undefined) return
  for (let made = path; ; made = dirname(made)) {
    syncDirectory(dirname(made))
    if (made === first || dirname(made) === made) break
  }
}
