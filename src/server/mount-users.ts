/**
 * Who uses a mount: processes with files, directories or programs of it open,
 * and mounts made out of it, in any mount namespace that /proc shows.
 */

import { readdirSync, readFileSync, readlinkSync } from '../system/files.ts'
import { bytesToText } from '../bytes/byte-text.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { FILESYSTEM_TYPE } from '../fuse/device.ts'
import { parseMountTable, readMountTable } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'

export interface MountUser {
  readonly pid: number
  readonly command: string
  /** `cwd`, `root`, `exe`, `fd`, `map`, and the path in use. */
  readonly kind: string
  readonly path: string
}

const pids = (): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)

const read = <T>(work: () => T, otherwise: T): T => {
  try {
    return work()
  } catch {
    // The process has ended, or is not ours to look into.
    return otherwise
  }
}

interface Use {
  readonly kind: string
  readonly path: string
}

/** All paths that a process holds, with the mount id where the kernel tells it. */
function* usesOf(pid: number): Generator<Use & { mountId?: number }> {
  for (const kind of ['cwd', 'root', 'exe']) {
    const path = read(() => readlinkSync(`/proc/${pid}/${kind}`), '')
    if (path !== '') yield { kind, path }
  }
  for (const fd of read(() => readdirSync(`/proc/${pid}/fd`), [])) {
    const path = read(() => readlinkSync(`/proc/${pid}/fd/${fd}`), '')
    if (!path.startsWith('/')) continue
    const info = read(
      () => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'),
      '',
    )
    const id = /^mnt_id:\s*(\d+)/m.exec(info)?.[1]
    yield { kind: 'fd', path, ...(id === undefined ? {} : { mountId: +id }) }
  }
  const seen = new Set<string>()
  for (const line of read(
    () => readFileSync(`/proc/${pid}/maps`, 'latin1'),
    '',
  ).split('\n')) {
    const at = line.indexOf('/')
    const path = at < 0 ? '' : bytesToText(latin1ToBytes(line.slice(at)))
    if (path === '' || seen.has(path)) continue
    seen.add(path)
    yield { kind: 'map', path }
  }
}

const isBelow = (path: string, directory: string): boolean =>
  path === directory ||
  path.startsWith(directory.endsWith('/') ? directory : `${directory}/`)

/** The other processes that keep a mount busy; one entry each, at most `limit`. */
export const findMountUsers = (entry: MountEntry, limit = 20): MountUser[] => {
  const users: MountUser[] = []
  for (const pid of pids()) {
    if (users.length >= limit) break
    if (pid === process.pid) continue
    for (const { kind, path, mountId } of usesOf(pid)) {
      const isUse =
        mountId === undefined
          ? isBelow(path, entry.mountpoint)
          : mountId === entry.id
      if (!isUse) continue
      const command = read(
        () => readFileSync(`/proc/${pid}/comm`, 'utf8').trim(),
        '?',
      )
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
  for (const pid of pids())
    for (const { path } of usesOf(pid))
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
  const at = mountTableOf(pid).findLast(
    ({ type, mountpoint }) =>
      type === FILESYSTEM_TYPE && isBelow(path, mountpoint),
  )
  return at !== undefined && at.device !== device
}

const mountTableOf = (pid: number): MountEntry[] =>
  parseMountTable(
    read(() => readFileSync(`/proc/${pid}/mountinfo`, 'latin1'), ''),
  )

/**
 * The mount tables of all namespaces that /proc shows a process of, those that
 * are in `besides` not counted.
 */
function* mountTables(
  besides: ReadonlySet<number> = new Set(),
): Generator<MountEntry[]> {
  const namespaces = new Set<string>()
  for (const pid of pids()) {
    if (besides.has(pid)) continue
    const namespace = read(() => readlinkSync(`/proc/${pid}/ns/mnt`), '')
    if (namespace === '' || namespaces.has(namespace)) continue
    namespaces.add(namespace)
    yield mountTableOf(pid)
  }
}

/** Whether the own mount namespace holds a process that is not in `servers`. */
export const hasOthers = (servers: ReadonlySet<number>): boolean => {
  const own = readlinkSync('/proc/self/ns/mnt')
  return pids().some(
    pid =>
      !servers.has(pid) &&
      read(() => readlinkSync(`/proc/${pid}/ns/mnt`), '') === own,
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
  const own = readlinkSync('/proc/self/ns/mnt')
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
  pids().some(
    pid =>
      !besides.has(pid) &&
      read(() => readdirSync(`/proc/${pid}/fd`), []).some(
        fd => read(() => readlinkSync(`/proc/${pid}/fd/${fd}`), '') === name,
      ),
  )
