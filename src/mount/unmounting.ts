/** Unmounts, and asks the server behind a mount. */

import { readlinkSync, realpathSync } from '../system/files.ts'
import { basename, dirname, join, resolve } from 'node:path'
import { DendroError } from '../errors.ts'
import { FILESYSTEM_TYPE } from '../fuse/device.ts'
import { absolutePath } from '../system/caller.ts'
import { EBUSY } from '../system/errno.ts'
import { unmountByFusermount } from '../system/fusermount.ts'
import { MNT_DETACH, unmountAt } from '../system/mounts.ts'
import { findMount } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { check } from '../system/native.ts'
import { sizeOfPlace } from '../system/plain-file.ts'
import { rootOf } from '../system/process.ts'
import { askServer } from './control-client.ts'
import { serverProgram } from '../server/keeper.ts'
import { waitForEnd } from './server-end.ts'
import { complaintIn } from './server-log.ts'
import { findMountUsers } from '../server/mount-users.ts'
import {
  isServer,
  readState,
  runtimeDirectoryOf,
} from '../server/server-state.ts'
import type { ServerStatistics } from '../server/server-config.ts'
import { isRoot } from '../system/root-user.ts'
import { spawnFailure } from '../system/spawn-failure.ts'
import { RUNTIME_FILE } from '../system/protocol.ts'

/** As the kernel: MAXSYMLINKS of <linux/namei.h>. */
const MAX_LINKS = 40

/**
 * The mount at `path`, a link to it included. What is mounted there is not
 * looked at: its server may be dead, or a user's who never answers.
 */
const mountAtPath = (path: string): MountEntry | undefined => {
  let at = absolutePath(path)
  for (let links = 0; links < MAX_LINKS; links++) {
    let directory: string
    try {
      directory = realpathSync(dirname(at))
    } catch {
      return findMount(at)
    }
    at = join(directory, basename(at))
    const found = findMount(at)
    if (found !== undefined) return found
    try {
      at = resolve(directory, readlinkSync(at))
    } catch {
      // It is no link, or not there.
      return undefined
    }
  }
  return undefined
}

/** The dendro mount that `path` is the root of. Errors: `NOT_MOUNTED`. */
export const requireMount = (path: string): MountEntry => {
  const entry = mountAtPath(path)
  if (entry?.type === FILESYSTEM_TYPE) return entry
  throw new DendroError('NOT_MOUNTED', `no commit is mounted at ${path}`, {
    hint: 'findmnt -t fuse.dendro lists the mounts',
  })
}

/** Statistics of the server behind the mount at `path`. */
export const mountStatistics = async (
  path: string,
): Promise<ServerStatistics> => {
  return (await askServer(serverDirectory(path), 'stats')) as ServerStatistics
}

const serverDirectory = (path: string): string => {
  const directory = runtimeDirectoryOf(requireMount(path))
  if (directory !== undefined) return directory
  throw new DendroError(
    'SERVER_UNREACHABLE',
    `cannot find the server of ${path}`,
  )
}

const RELOAD_TIMEOUT_MS = 120_000

/**
 * Hands the mount at `path` over to a server of this program; its clients
 * notice nothing. Errors: `RELOAD_FAILED` (the old server goes on).
 */
export const reloadMount = async (path: string): Promise<ServerStatistics> => {
  const directory = serverDirectory(path)
  const { node, program } = programFor(directory)
  const log = join(directory, RUNTIME_FILE.serverLog)
  const begin = sizeOfPlace(log)
  const reply = (await askServer(
    directory,
    `reload\t${node}\t${program}`,
    RELOAD_TIMEOUT_MS,
  )) as { error?: string }
  if (reply.error !== undefined) {
    const reason = complaintIn(log, begin) ?? reply.error
    throw new DendroError('RELOAD_FAILED', `cannot reload ${path}: ${reason}`, {
      hint: `the old server goes on; the new one's log is ${log}`,
    })
  }
  return (await askServer(directory, 'stats')) as ServerStatistics
}

/**
 * The program as the keeper reaches it. One that the initramfs started has a
 * root directory of its own, with the runtime that it started from.
 */
const programFor = (directory: string) => {
  const { keeperPid } = readState(directory) ?? { keeperPid: 0 }
  const root = keeperPid > 0 ? rootOf(keeperPid) : undefined
  return (root ?? '/') === (rootOf(process.pid) ?? '/')
    ? { node: process.execPath, program: serverProgram() }
    : { node: '/bin/node', program: '/dist/bundle/server-main.cjs' }
}

/**
 * Unmounts; the server ends when nothing is left to serve. `isLazy` takes the
 * mount away now and the rest when its last user is gone.
 * Errors: `NOT_MOUNTED`, `MOUNT_BUSY`, `PERMISSION_DENIED`.
 */
export const unmountRepository = async (
  path: string,
  isLazy: boolean,
): Promise<void> => {
  const entry = requireMount(path)
  const directory = runtimeDirectoryOf(entry)
  if (!isRoot()) return unmountAsUser(entry, isLazy)
  const result = unmountAt(entry.mountpoint, isLazy ? MNT_DETACH : 0)
  if (result === -EBUSY) throw busy(entry)
  if (result < 0) check(result, `cannot unmount ${entry.mountpoint}`)
  if (directory !== undefined) await releaseServer(directory)
}

/**
 * Has the server end if it is not needed any more. What the repository lies on
 * can be unmounted next, so its last descriptor is waited for.
 */
const releaseServer = async (directory: string): Promise<void> => {
  const server = readState(directory)?.pid ?? 0
  const wasRunning = isServer(server)
  let reply: { ended?: boolean } | undefined
  try {
    // Without an answer where it ended first.
    reply = (await askServer(directory, 'release')) as typeof reply
  } catch {
    // The server is gone already; nothing is left to end.
    return
  }
  if (wasRunning && reply?.ended !== false) await waitForEnd(server)
}

const MAX_NAMED_USERS = 5

/** Says who uses the mount, as far as this user may know. */
const busy = (entry: MountEntry): DendroError => {
  const users = findMountUsers(entry)
  const named = users
    .slice(0, MAX_NAMED_USERS)
    .map(({ pid, command, kind }) => `${command} (pid ${pid}, ${kind})`)
  const more =
    users.length > named.length
      ? ` and ${users.length - named.length} more`
      : ''
  const who =
    named.length === 0
      ? 'it is in use, or something is mounted below it'
      : `in use by ${named.join(', ')}${more}`
  return new DendroError(
    'MOUNT_BUSY',
    `cannot unmount ${entry.mountpoint}: ${who}`,
    {
      hint: 'end them, or unmount it all the same with --lazy',
      data: { users },
    },
  )
}

const unmountAsUser = async (
  entry: MountEntry,
  isLazy: boolean,
): Promise<void> => {
  const { mountpoint } = entry
  const result = await unmountByFusermount(mountpoint, isLazy)
  if (result.error !== undefined)
    throw new DendroError(
      'NOT_FOUND',
      `cannot unmount ${mountpoint}: ${spawnFailure('fusermount3', result.error)}`,
      { cause: result.error },
    )
  if (result.isDone) return
  if (/busy/i.test(result.complaint)) throw busy(entry)
  throw new DendroError(
    'PERMISSION_DENIED',
    `cannot unmount ${mountpoint}: ${result.complaint}`,
  )
}

/** Takes away a view that nobody is to use; its server ends. */
export const dropView = (view: string): void => {
  unmountAt(view, MNT_DETACH)
}
