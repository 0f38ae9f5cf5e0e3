/**
 * Where a server keeps its socket and state, and where the view is first
 * mounted: one directory per repository and mount namespace.
 *
 * A mount made in another namespace cannot be bound from here, so servers in
 * different namespaces are different servers.
 */

import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from '../system/files.ts'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { DendroError, errnoOf, wrapSystemError } from '../errors.ts'
import { callerVariable } from '../system/caller.ts'
import { identityName } from '../store/identity.ts'
import type { RepositoryIdentity } from '../store/identity.ts'
import { acquireLock, tryLock } from '../system/lock.ts'
import type { FileLock } from '../system/lock.ts'
import { findMount } from '../system/mount-table.ts'
import { ownNamespaceName } from '../system/namespaces.ts'
import { effectiveUser, isRoot } from '../system/root-user.ts'
import { sharedBase } from '../system/run-directory.ts'
import { RUNTIME_FILE } from '../system/protocol.ts'

const mountNamespace = (): string =>
  /\[(\d+)\]/.exec(ownNamespaceName('mnt'))?.[1] ?? '0'

const baseDirectory = (): string => {
  if (isRoot()) return sharedBase()
  const uid = effectiveUser()
  const runtime = callerVariable('XDG_RUNTIME_DIR')
  return runtime === undefined ? `/tmp/dendro-${uid}` : join(runtime, 'dendro')
}

/** The directory for the server of a repository; as root it serves all mounts. */
export const sharedRuntimeDirectory = (
  repository: RepositoryIdentity,
): string =>
  join(baseDirectory(), `${identityName(repository)}.${mountNamespace()}`)

/** The same as programs named it that knew a repository by its id alone. */
export const olderRuntimeDirectory = ({ id }: RepositoryIdentity): string =>
  join(baseDirectory(), `${id}.${mountNamespace()}`)

/** How the name of a private runtime directory ends, whatever the repository. */
const privateEnd = (mountpoint: string): string => {
  const tag = createHash('sha256')
    .update(textToBytes(mountpoint))
    .digest('hex')
    .slice(0, 16)
  return `.${mountNamespace()}.${tag}`
}

/** The directory for a server of one mount point, as an ordinary user has it. */
export const privateRuntimeDirectory = (
  repository: RepositoryIdentity,
  mountpoint: string,
): string =>
  join(baseDirectory(), `${identityName(repository)}${privateEnd(mountpoint)}`)

/** Those of this user that were made for `mountpoint`, of any repository. */
export const privateRuntimeDirectories = (mountpoint: string): string[] => {
  const base = baseDirectory()
  if (!existsSync(base)) return []
  const end = privateEnd(mountpoint)
  return readdirSync(base)
    .filter(name => name.endsWith(end))
    .map(name => join(base, name))
}

const VIEW_AT_END = /\/([^/]+)\/view$/

/**
 * The runtime directory whose view is mounted at `mountpoint`; undefined for
 * every other mount. Decided by the text: what a user mounted is not looked at.
 */
export const directoryOfView = (mountpoint: string): string | undefined => {
  const name = VIEW_AT_END.exec(mountpoint)?.[1]
  const base = sharedBase()
  return name !== undefined &&
    mountpoint === join(base, name, RUNTIME_FILE.view)
    ? join(base, name)
    : undefined
}

/** Bits of those who may write besides the owner. */
const OTHERS_WRITE = 0o022

/** Makes the directory, for its owner alone. Errors: `PERMISSION_DENIED`. */
export const makeRuntimeDirectory = (path: string): void => {
  try {
    const base = baseDirectory()
    mkdirSync(base, { recursive: true, mode: isRoot() ? 0o755 : 0o700 })
    for (const directory of [base, path]) {
      if (directory === path) mkdirSync(path, { recursive: true, mode: 0o700 })
      const status = lstatSync(directory)
      if (!status.isDirectory() || status.uid !== effectiveUser())
        throw new DendroError(
          'PERMISSION_DENIED',
          `cannot use ${directory}: it belongs to somebody else`,
          { hint: 'set XDG_RUNTIME_DIR to a directory of yours' },
        )
      // Whoever can write to the base can put another directory in our place.
      const isOpen = (status.mode & OTHERS_WRITE) !== 0
      if (isOpen) chmodSync(directory, status.mode & ~OTHERS_WRITE & 0o7777)
    }
    chmodSync(path, 0o700)
  } catch (error) {
    throw wrapSystemError(`cannot make ${path}`, error)
  }
}

const RUNTIME_FILES = [
  RUNTIME_FILE.controlSocket,
  RUNTIME_FILE.serverState,
  `${RUNTIME_FILE.serverState}.new`,
  RUNTIME_FILE.serverLog,
  RUNTIME_FILE.events,
  RUNTIME_FILE.viewNodes,
  `${RUNTIME_FILE.viewNodes}.new`,
  RUNTIME_FILE.viewHold,
  RUNTIME_FILE.lock,
]

/** Makes the directory if need be and holds it for one mount. */
export const lockRuntimeDirectory = async (path: string): Promise<FileLock> => {
  const lockPath = join(path, RUNTIME_FILE.lock)
  for (;;) {
    // A server that ends just now may remove the directory at any moment.
    const made = makeLockFile(path, lockPath)
    const lock = made === undefined ? undefined : await lockUnlessGone(lockPath)
    if (lock === undefined) continue
    if (inodeOf(lockPath) === made) return lock
    lock.release()
  }
}

const inodeOf = (path: string): bigint | undefined =>
  statSync(path, { bigint: true, throwIfNoEntry: false })?.ino

const unlessGone = (error: unknown): undefined => {
  if (errnoOf(error) !== 'ENOENT') throw error
}

/** The inode of the lock's file; undefined where it is gone again. */
const makeLockFile = (path: string, lockPath: string): bigint | undefined => {
  makeRuntimeDirectory(path)
  try {
    writeFileSync(lockPath, '', { flag: 'a' })
    return inodeOf(lockPath)
  } catch (error) {
    return unlessGone(error)
  }
}

const lockUnlessGone = async (path: string): Promise<FileLock | undefined> => {
  try {
    return await acquireLock(path, 'exclusive')
  } catch (error) {
    return unlessGone(error)
  }
}

export const viewHoldPath = (directory: string): string =>
  join(directory, RUNTIME_FILE.viewHold)

/**
 * Keeps the server of the directory, which is locked by this process, from
 * ending because nothing is mounted yet.
 */
export const holdView = (directory: string): Promise<FileLock> => {
  const path = viewHoldPath(directory)
  writeFileSync(path, '', { flag: 'a' })
  return acquireLock(path, 'shared')
}

/**
 * Removes what a server that has ended leaves; unless somebody mounts again
 * right now, or the first mount is still there. Never follows a mount.
 */
export const removeRuntimeDirectory = (path: string): void => {
  const lockPath = join(path, RUNTIME_FILE.lock)
  const isShared = existsSync(lockPath)
  const lock = isShared ? tryLock(lockPath, 'exclusive') : undefined
  if (isShared && lock === undefined) return
  try {
    if (findMount(join(path, RUNTIME_FILE.view)) !== undefined) return
    for (let tries = 0; tries < MAX_TRIES && !emptyAndRemove(path); tries++);
  } finally {
    lock?.release()
  }
}

const MAX_TRIES = 5

/** False when something came back: a control thread that was just starting. */
const emptyAndRemove = (path: string): boolean => {
  try {
    for (const name of RUNTIME_FILES) rmSync(join(path, name), { force: true })
    if (existsSync(join(path, RUNTIME_FILE.view)))
      rmdirSync(join(path, RUNTIME_FILE.view))
    rmdirSync(path)
    return true
  } catch {
    // Something else is in it: it stays, and the next mount uses it.
    return false
  }
}
