/** The mount tables of processes, from /proc/PID/mountinfo (proc_pid_mountinfo(5)). */

import { bytesToText } from '../bytes/byte-text.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { unescapeField } from '../bytes/mount-text.ts'
import { readFileSync } from './files.ts'
import { mountIdIn } from './process.ts'

export interface MountEntry {
  readonly id: number
  readonly parentId: number
  /** `major:minor` of the superblock: `st_dev` of its files. */
  readonly device: string
  /** Path inside the filesystem that is the root of this mount. */
  readonly root: string
  readonly mountpoint: string
  /** Options of this mount alone. */
  readonly mountOptions: string
  readonly type: string
  readonly source: string
  /** Options of the superblock, as the file system writes them. */
  readonly options: string
}

const unescape = (latin1: string): string =>
  bytesToText(latin1ToBytes(unescapeField(latin1)))

/** The entries of a table that was read as latin1. */
export const parseMountTable = (latin1: string): MountEntry[] => {
  const entries: MountEntry[] = []
  for (const line of latin1.split('\n')) {
    const [before, after] = line.split(' - ')
    if (before === undefined || after === undefined) continue
    const left = before.split(' ')
    const right = after.split(' ')
    entries.push({
      id: Number(left[0]),
      parentId: Number(left[1]),
      device: left[2] ?? '',
      root: unescape(left[3] ?? ''),
      mountpoint: unescape(left[4] ?? ''),
      mountOptions: left[5] ?? '',
      type: right[0] ?? '',
      source: unescape(right[1] ?? ''),
      options: unescape(right[2] ?? ''),
    })
  }
  return entries
}

/** The mounts that this process sees, in mount order. */
export const readMountTable = (): MountEntry[] => mountTableOf('self')

/**
 * The mounts that a process sees, in mount order. System errors: ENOENT, ESRCH
 * when it has ended, EACCES when it is not ours to look into.
 */
export const mountTableOf = (pid: number | 'self'): MountEntry[] =>
  parseMountTable(readFileSync(`/proc/${pid}/mountinfo`, 'latin1'))

/** The same; empty where it cannot be read. */
export const findMountTableOf = (pid: number | 'self'): MountEntry[] => {
  try {
    return mountTableOf(pid)
  } catch {
    // The process has ended, or is not ours to look into.
    return []
  }
}

/** `major:minor` of a `st_dev` as Node has it: gnu_dev_major(3). */
export const deviceOf = (dev: number): string => {
  const high = Math.floor(dev / 2 ** 32)
  const low = dev % 2 ** 32
  const major = ((low >>> 8) & 0xfff) | (high & ~0xfff)
  const minor = ((low & 0xff) | ((low >>> 12) & ~0xff)) >>> 0
  return `${major}:${minor}`
}

/** The uppermost mount at `path` (real and absolute), or undefined. */
export const findMount = (path: string): MountEntry | undefined =>
  readMountTable().findLast(entry => entry.mountpoint === path)

/** The mount that an open file is on: `MountEntry.id`; undefined without /proc. */
export const mountIdOf = (fd: number): number | undefined => {
  let text: string
  try {
    text = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')
  } catch {
    // No /proc here: nobody knows.
    return undefined
  }
  return mountIdIn(text)
}
