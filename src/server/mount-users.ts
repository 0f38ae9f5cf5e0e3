/**
 * Who uses a mount: processes with files, directories or programs of it open,
 * and mounts made out of it, in any mount namespace that /proc shows.
 */

import { FILESYSTEM_TYPE } from '../fuse/device.ts'
import { findMountTableOf, readMountTable } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { namespaceNameOf, ownNamespaceName } from '../system/namespaces.ts'
import {
  commandNameOf,
  descriptorsOf,
  listProcesses,
  openFileOf,
  pathsInUseBy,
} from '../system/process.ts'

export interface MountUser {
  readonly pid: number
  readonly command: string
  /** `cwd`, `root`, `exe`, `fd`, `map`, and the path in use. */
  readonly kind: string
  readonly path: string
}

const isBelow = (path: string, directory: string): boolean =>
  path === directory ||
  path.startsWith(directory.endsWith('/') ? directory : `${directory}/`)

/** The other processes that keep a mount busy; one entry each, at most `limit`. */
export const findMountUsers = (entry: MountEntry, limit = 20): MountUser[] => {
  const users: MountUser[] = []
  for (const pid of listProcesses()) {
    if (users.length >= limit) break
    if (pid === process.pid) continue
    for (const { kind, path, mountId } of pathsInUseBy(pid)) {
      const isUse =
        mountId === undefined
          ? isBelow(path, entry.mountpoint)
          : mountId === entry.id
      if (!isUse) continue
      const command = commandNameOf(pid)?.trim() ?? '?'
      users.push({ pid, command, kind, path })
      break
    }
  }
  return users
}

const COMMIT_IN_PATH = /\/commits\/([0-9a-f]{64})(?=[/:,]|$)/

/**
 * Those of `commits` (hex) that are mounted somewhere or that a process uses,
 * as far as /proc tells, on the superblock `device` ("major:minor").
 */
export const commitsInUse = (
  device: string,
  commits: readonly string[],
): string[] => {
  const asked = new Set(commits)
  const found = new Set<string>()
  const look = (path: string): void => {
    const hex = COMMIT_IN_PATH.exec(path)?.[1]
    if (hex !== undefined && asked.has(hex)) found.add(hex)
  }
  for (const pid of listProcesses())
    for (const { path } of pathsInUseBy(pid))
      if (COMMIT_IN_PATH.test(path) && !isOfAnother(pid, path, device))
        look(path)
  for (const table of mountTables())
    for (const entry of table) {
      if (entry.device === device) look(entry.root)
      // The layers below an overlay are named by their paths.
      if (entry.type === 'overlay') look(entry.options)
    }
  return [...found]
}

/**
 * Whether a path that a process holds is on another superblock of ours. What
 * cannot be told, from within another root directory say, may be on `device`.
 */
const isOfAnother = (pid: number, path: string, device: string): boolean => {
  const at = findMountTableOf(pid).findLast(
    ({ type, mountpoint }) =>
      type === FILESYSTEM_TYPE && isBelow(path, mountpoint),
  )
  return at !== undefined && at.device !== device
}

/**
 * The mount tables of all namespaces that /proc shows a process of, those that
 * are in `besides` not counted.
 */
function* mountTables(
  besides: ReadonlySet<number> = new Set(),
): Generator<MountEntry[]> {
  const namespaces = new Set<string>()
  for (const pid of listProcesses()) {
    if (besides.has(pid)) continue
    const namespace = namespaceNameOf(pid, 'mnt')
    if (namespace === undefined || namespaces.has(namespace)) continue
    namespaces.add(namespace)
    yield findMountTableOf(pid)
  }
}

/** Whether the own mount namespace holds a process that is not in `servers`. */
export const hasOthers = (servers: ReadonlySet<number>): boolean => {
  const own = ownNamespaceName('mnt')
  return listProcesses().some(
    pid => !servers.has(pid) && namespaceNameOf(pid, 'mnt') === own,
  )
}

/** Whether a mount shows the superblock `device`, first mounted at `path`. */
const isMountOf = (entry: MountEntry, device: string, path: string): boolean =>
  entry.device === device ||
  (entry.type === 'overlay' && entry.options.includes(`lowerdir=${path}/`))

/**
 * Whether a process can reach a mount of `device` besides the one at `path`,
 * which every copy of this namespace has too. `servers` do not count: where
 * nobody else is, nobody looks, though a namespace may be kept for later.
 */
export const isMountedElsewhere = (
  device: string,
  path: string,
  servers: ReadonlySet<number>,
): boolean => {
  const isShown = (table: readonly MountEntry[]): boolean =>
    table.some(
      entry => entry.mountpoint !== path && isMountOf(entry, device, path),
    )
  const own = ownNamespaceName('mnt')
  let isKept = false
  for (const table of mountTables(servers)) {
    if (isShown(table)) return true
    isKept ||= table.some(entry => isNamespace(entry, own))
  }
  if (!isShown(readMountTable())) return false
  return isKept || isHeldByName(own, servers)
}

/** Whether the namespace `name` (`mnt:[N]`) is mounted there, as unshare --mount=FILE does. */
const isNamespace = ({ type, root }: MountEntry, name: string): boolean =>
  type === 'nsfs' && root === name

/** Whether a process has the namespace open. */
const isHeldByName = (name: string, besides: ReadonlySet<number>): boolean =>
  listProcesses().some(
    pid =>
      !besides.has(pid) &&
      descriptorsOf(pid).some(fd => openFileOf(pid, fd) === name),
  )
