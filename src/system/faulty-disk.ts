/**
 * A guard for the door of disk.ts that makes things go wrong, for tests.
 *
 * It counts the operations that change a disk. At the chosen one it stops the
 * process (as far as the disk is concerned: nothing passes afterwards), or
 * fails once or for good. After a stop `powerCut` takes away what no fsync had
 * made durable, which a mere kill leaves in place.
 *
 * What a power cut may do follows POSIX, not one file system: bytes that were
 * not fsynced are gone, and so are names whose directory was not. Between the
 * two extremes there is the file system that keeps names and loses bytes.
 */

import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
} from './files.ts'
import { dirname, join } from 'node:path'
import type { DiskGuard, DiskOperation } from './disk.ts'

/** The process stops here; nothing below may catch it for good. */
export class Stopped extends Error {
  constructor(operation: DiskOperation) {
    super(`stopped before ${operation.kind}`)
  }
}

export type Fault =
  /** Nothing passes from operation N on. */
  | { readonly kind: 'stop'; readonly at: number }
  /** Operation N fails; with `isLasting` so do all writes behind it. */
  | {
      readonly kind: 'error'
      readonly at: number
      readonly code: 'ENOSPC' | 'EIO'
      readonly isLasting: boolean
    }
  /** Every write from N on takes at most half of what it is given. */
  | { readonly kind: 'short'; readonly at: number }
  /** Only count. */
  | { readonly kind: 'none' }

/** What is lost when the power goes. */
export type Loss =
  /** Bytes and names that were not synced. */
  | 'all'
  /** Bytes alone: files that were not synced are empty. */
  | 'bytes'

interface FileState {
  path: string
  syncedBytes: number
  bytes: number
}

interface NameChange {
  readonly directory: string
  readonly undo: () => void
}

/** Operations that need room on the disk. */
const GROWS = new Set(['create', 'write', 'mkdir', 'symlink', 'mknod'])

/** A path through a descriptor of a directory as it will still be known later. */
const realPath = (path: string): string => {
  const match = /^(\/proc\/self\/fd\/\d+)\/(.*)$/s.exec(path)
  if (match === null) return path
  const [, directory, name] = match as unknown as [string, string, string]
  return join(readlinkSync(directory), name === '.' ? '' : name)
}

const withRealPaths = <T extends DiskOperation>(operation: T): T => ({
  ...operation,
  ...('path' in operation ? { path: realPath(operation.path) } : {}),
  ...('to' in operation ? { to: realPath(operation.to) } : {}),
})

export class FaultyDisk implements DiskGuard {
  /** Operations that were asked for so far. */
  count = 0
  readonly #fault: Fault
  readonly #stash: string
  readonly #files = new Map<number, FileState>()
  /** Files by path, also when they are closed. */
  readonly #paths = new Map<string, FileState>()
  #unsynced: NameChange[] = []
  #isStopped = false
  #stashed = 0

  /** `scratch` is a directory on the same file system, outside the repository. */
  constructor(fault: Fault, scratch: string) {
    this.#fault = fault
    this.#stash = mkdtempSync(join(scratch, 'stash-'))
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  pass<T>(asked: DiskOperation, perform: () => T): T {
    const operation = withRealPaths(asked)
    this.#check(operation)
    if (this.#isStopped) return this.#swallow(operation) as T
    const remember = this.#prepare(operation)
    const result = perform()
    remember?.()
    return result
  }

  passWrite(
    operation: DiskOperation,
    length: number,
    perform: (allowed: number) => number,
  ): number {
    this.#check(operation)
    if (this.#isStopped) return length
    const fault = this.#fault
    const isShort = fault.kind === 'short' && this.count >= fault.at
    const written = perform(isShort ? Math.ceil(length / 2) : length)
    const file =
      operation.kind === 'write' ? this.#files.get(operation.fd) : undefined
    if (file !== undefined) file.bytes += written
    return written
  }

  opened(fd: number, asked: string): void {
    if (this.#isStopped) return
    const path = realPath(asked)
    const file = { path, syncedBytes: 0, bytes: 0 }
    this.#files.set(fd, file)
    this.#paths.set(path, file)
  }

  closed(fd: number): void {
    this.#files.delete(fd)
  }

  /** Takes away what was not durable when the disk stopped. */
  powerCut(loss: Loss): void {
    for (const { path, syncedBytes, bytes } of this.#paths.values())
      if (syncedBytes < bytes && existsSync(path))
        truncateSync(path, syncedBytes)
    if (loss === 'all') for (const { undo } of this.#unsynced.reverse()) undo()
  }

  /** Removes what was put aside. */
  clean(): void {
    rmSync(this.#stash, { recursive: true, force: true })
  }

  #check(operation: DiskOperation): void {
    if (this.#isStopped) return
    this.count++
    const fault = this.#fault
    if (fault.kind === 'stop' && this.count === fault.at) {
      this.#isStopped = true
      throw new Stopped(operation)
    }
    if (fault.kind !== 'error') return
    const isLater =
      fault.isLasting && this.count > fault.at && GROWS.has(operation.kind)
    if (this.count === fault.at || isLater)
      throw Object.assign(new Error(`${fault.code}: injected`), {
        code: fault.code,
      })
  }

  /** After the stop the program runs on, for a while, into the void. */
  #swallow(operation: DiskOperation): unknown {
    return operation.kind === 'create' ? openSync('/dev/null', 'w') : undefined
  }

  /** What must be known to undo the operation; called again once it is done. */
  #prepare(operation: DiskOperation): (() => void) | undefined {
    const change = (path: string, undo: () => void) => () =>
      this.#unsynced.push({ directory: dirname(path), undo })
    switch (operation.kind) {
      case 'create':
      case 'link':
      case 'symlink':
      case 'mknod': {
        const { path } = operation
        return change(path, () => rmSync(path, { force: true }))
      }
      case 'mkdir': {
        const { path } = operation
        return change(path, () =>
          rmSync(path, { recursive: true, force: true }),
        )
      }
      case 'unlink': {
        const { path } = operation
        const kept = this.#keep(path)
        return change(path, () => {
          if (kept !== undefined) renameSync(kept, path)
        })
      }
      case 'rmdir': {
        const { path } = operation
        return change(path, () => mkdirSync(path))
      }
      case 'rename':
        return this.#prepareRename(operation.path, operation.to)
      case 'exchange':
        return this.#prepareExchange(operation.path, operation.to)
      case 'fsync': {
        const { fd } = operation
        return () => {
          const file = this.#files.get(fd)
          if (file !== undefined) file.syncedBytes = file.bytes
        }
      }
      case 'fsync-directory': {
        const { path } = operation
        return () => {
          this.#unsynced = this.#unsynced.filter(
            ({ directory }) => directory !== path,
          )
        }
      }
      case 'write':
      case 'attributes':
        return undefined
    }
  }

  #prepareRename(path: string, to: string): () => void {
    const kept = existsSync(to) ? this.#keep(to) : undefined
    return () => {
      this.#move(path, to)
      this.#unsynced.push({
        directory: dirname(to),
        undo: () => {
          // The name that was renamed away may be durable elsewhere or not at
          // all; the worst for the reader is the old file under the new name.
          rmSync(to, { force: true, recursive: true })
          if (kept !== undefined) renameSync(kept, to)
        },
      })
    }
  }

  #prepareExchange(path: string, to: string): () => void {
    const aside = join(this.#stash, String(this.#stashed++))
    return () => {
      this.#move(path, aside)
      this.#move(to, path)
      this.#move(aside, to)
      this.#unsynced.push({
        directory: dirname(to),
        undo: () => {
          renameSync(path, aside)
          renameSync(to, path)
          renameSync(aside, to)
        },
      })
    }
  }

  /** A directory takes along what is in it. */
  #move(path: string, to: string): void {
    for (const [old, file] of [...this.#paths]) {
      if (old !== path && !old.startsWith(`${path}/`)) continue
      this.#paths.delete(old)
      file.path = to + old.slice(path.length)
      this.#paths.set(file.path, file)
    }
  }

  #keep(path: string): string | undefined {
    const kept = join(this.#stash, String(this.#stashed++))
    try {
      linkSync(path, kept)
      return kept
    } catch {
      // It is not there: the operation itself will say so.
      return undefined
    }
  }
}
