/**
 * Advisory file locks by flock(2).
 *
 * The lock belongs to the open file, so it goes when the process dies,
 * whatever the way. Without the native shim the `flock` tool of util-linux
 * takes it on our descriptor, which is the same lock.
 */

import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from './files.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { DendroError, wrapSystemError } from '../errors.ts'
import { check, tryShim } from './native.ts'

const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4
const EAGAIN = 11
const RETRY_MS = 20

export type LockMode = 'shared' | 'exclusive'

export interface FileLock {
  release(): void
}

/** Takes the lock without waiting; undefined when another holds it. */
export const tryLock = (path: string, mode: LockMode): FileLock | undefined => {
  let fd: number
  try {
    // Reading is enough for flock(2), and all that a read-only store allows.
    fd = openSync(path, 'r')
  } catch (error) {
    throw wrapSystemError(`cannot lock ${path}`, error)
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

const lockDescriptor = (fd: number, mode: LockMode, path: string): boolean => {
  const native = tryShim()
  if (native !== undefined) {
    const operation = (mode === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB
    const result = native.flock(fd, operation)
    if (result === -EAGAIN) return false
    check(result, `cannot lock ${path}`)
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
      `cannot lock ${path}: neither the native part nor the flock tool is there`,
      {
        cause: result.error,
        hint: 'install util-linux or run scripts/build-shim',
      },
    )
  return result.status === 0
}

/** Waits for the lock; `onWait` is called once when it has to. */
export const acquireLock = async (
  path: string,
  mode: LockMode,
  onWait?: () => void,
): Promise<FileLock> => {
  for (let tries = 0; ; tries++) {
    const lock = tryLock(path, mode)
    if (lock !== undefined) return lock
    if (tries === 10) onWait?.()
    await sleep(RETRY_MS)
  }
}
