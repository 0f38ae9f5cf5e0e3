/**
 * Advisory file locks by flock(2).
 *
 * The lock belongs to the open file, so it goes when the process dies,
 * whatever the way. Without the native shim the `flock` tool of util-linux
 * takes it on our descriptor, which is the same lock.
 *
 * Whoever may read a lock's file may hold the lock. A stranger is therefore
 * not waited for without end: somebody who is neither root nor the owner of
 * the repository, nor the one who waits.
 */

import { closeSync } from './files.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { DendroError, wrapSystemError } from '../errors.ts'
import { openDirectory } from './held-path.ts'
import type { FilePlace } from './held-path.ts'
import { EAGAIN } from './errno.ts'
import { describeHolders, lockHolders } from './lock-holders.ts'
import type { LockHolder } from './lock-holders.ts'
import { check, tryShim } from './native.ts'
import { openPlain, statPlace } from './plain-file.ts'
import { spawnFailure } from './spawn-failure.ts'
import { spawnSync } from './spawn.ts'

const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4
const RETRY_MS = 20
/** How long a stranger is waited for; a reader of a large tree takes its time. */
const STRANGER_MS = 300_000

export type LockMode = 'shared' | 'exclusive'

export interface FileLock {
  release(): void
}

/**
 * Takes the lock of a file or a directory without waiting; undefined when
 * another holds it.
 */
export const tryLock = (
  path: FilePlace,
  mode: LockMode,
): FileLock | undefined => {
  let fd: number
  try {
    // Reading is enough for flock(2), and all that a read-only store allows.
    fd =
      statPlace(path)?.isDirectory() === true
        ? openDirectory(path)
        : openPlain(path).fd
  } catch (error) {
    throw wrapSystemError(`cannot lock ${String(path)}`, error)
  }
  if (!lockDescriptor(fd, mode, path)) {
    closeSync(fd)
    return undefined
  }
  let held = true
  return {
    release: () => {
      if (held) closeSync(fd)
      held = false
    },
  }
}

const lockDescriptor = (
  fd: number,
  mode: LockMode,
  path: FilePlace,
): boolean => {
  const native = tryShim()
  if (native !== undefined) {
    const operation = (mode === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB
    const result = native.flock(fd, operation)
    if (result === -EAGAIN) return false
    check(result, `cannot lock ${String(path)}`)
    return true
  }
  const result = spawnSync(
    'flock',
    [mode === 'shared' ? '-s' : '-x', '-n', '3'],
    {
      stdio: ['ignore', 'ignore', 'ignore', fd],
    },
  )
  if (result.error !== undefined)
    throw new DendroError(
      'NATIVE_UNAVAILABLE',
      `cannot lock ${String(path)}: the native part is not there, and ${spawnFailure('flock', result.error)}`,
      {
        cause: result.error,
        hint: 'install util-linux or run scripts/build-shim',
      },
    )
  return result.status === 0
}

/** Told once, with words for who holds the lock. */
export type OnWait = (holders: string) => void

/**
 * Waits for the lock; `onWait` is called when it has to. A stranger's is
 * waited for `strangerMs` at most. Errors: `LOCK_HELD`, system errors.
 */
export const acquireLock = async (
  path: FilePlace,
  mode: LockMode,
  onWait?: OnWait,
  strangerMs = STRANGER_MS,
): Promise<FileLock> => {
  let looksAt = Date.now() + strangerMs
  for (let tries = 0; ; tries++) {
    const lock = tryLock(path, mode)
    if (lock !== undefined) return lock
    if (tries === 10) onWait?.(describeHolders(holdersOf(path)))
    if (Date.now() > looksAt) {
      refuseStrangers(path, strangerMs)
      looksAt = Date.now() + strangerMs
    }
    await sleep(RETRY_MS)
  }
}

const holdersOf = (path: FilePlace): LockHolder[] => {
  const status = statPlace(path)
  return status === undefined ? [] : lockHolders(status)
}

/** Errors: `LOCK_HELD`, where nobody else has held it at the last look. */
const refuseStrangers = (path: FilePlace, waitedMs: number): void => {
  if (typeof path === 'string') return
  const holders = holdersOf(path)
  const isStranger = ({ uid }: LockHolder): boolean =>
    !path.directory.isOwnedBy(uid)
  if (holders.length === 0 || !holders.every(isStranger)) return
  throw new DendroError(
    'LOCK_HELD',
    `cannot lock ${String(path)}: ${describeHolders(holders)} holds it, and was waited for ${Math.round(waitedMs / 1000)} s`,
    {
      hint: `end it and run the command again; chmod go-rwx ${path.directory.path} closes the repository to others`,
    },
  )
}
