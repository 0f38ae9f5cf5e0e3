/**
 * Which file system an open file is on, for as long as it stays mounted.
 *
 * The numbers of a file (device, inode, ctime) tell of a change only while a
 * kernel writes to the file system and takes ctime from its clock. A disk or an
 * image that is mounted anew may be another one with the same numbers: built
 * reproducibly, restored, written to elsewhere.
 */

import { readdirSync, readlinkSync, realpathSync, statSync } from './files.ts'
import { basename } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { bootId } from './boot-id.ts'
import { lstatBytes } from './file-status.ts'
import { mountIdOf, readMountTable } from './mount-table.ts'
import type { MountEntry } from './mount-table.ts'

/**
 * File systems on a block device whose ctime is the clock of the kernel that
 * mounts them. While one is mounted, it has a directory below /sys/fs.
 */
const ON_DISK: ReadonlySet<string> = new Set(['ext4', 'xfs', 'f2fs', 'btrfs'])
/** What the driver of ext4 mounts as well, in its own directory. */
const AS_EXT4: ReadonlySet<string> = new Set(['ext2', 'ext3'])
/** Of memory: they are gone when they are unmounted. */
const IN_MEMORY: ReadonlySet<string> = new Set(['tmpfs', 'ramfs'])

const SYS_FS = '/sys/fs'

export interface Superblock {
  /**
   * Equal while the file system stays mounted, in whatever namespace; never
   * equal to that of another one.
   */
  readonly id: string
  /** `major:minor`, as `MountEntry.device`. */
  readonly device: string
}

/**
 * The mounted file system (superblock) of `fd`. Undefined where ctime is not from a clock, where the file system is
 * read-only or cannot be told from another, and on idmapped mounts, which show
 * other owners than the file system has.
 */
export const clockedSuperblock = (fd: number): Superblock | undefined => {
  try {
    const id = mountIdOf(fd)
    const entry = readMountTable().find(mount => mount.id === id)
    const own = entry === undefined ? undefined : idOf(entry)
    return entry === undefined || own === undefined
      ? undefined
      : { id: own, device: entry.device }
  } catch {
    // No /proc or no /sys here: nothing is known.
    return undefined
  }
}

const idOf = (entry: MountEntry): string | undefined => {
  const isWritable = entry.options.split(',').includes('rw')
  const isMapped = entry.mountOptions.split(',').includes('idmapped')
  if (!isWritable || isMapped) return undefined
  const boot = bootId()
  const type = AS_EXT4.has(entry.type) ? 'ext4' : entry.type
  if (IN_MEMORY.has(type)) return `${boot} ${type}`
  if (!ON_DISK.has(type)) return undefined
  const directory =
    type === 'btrfs'
      ? findBtrfs(deviceOf(entry.source))
      : `${SYS_FS}/${type}/${blockDevice(entry.device)}`
  if (directory === undefined) return undefined
  // Made when the file system is mounted; sysfs uses no number twice.
  const { ino } = statSync(directory, { bigint: true })
  return `${boot} ${type} ${ino}`
}

/** The kernel's name of the block device `major:minor`. */
const blockDevice = (device: string): string =>
  basename(readlinkSync(`/sys/dev/block/${device}`))

/** The kernel's name of a block device by its path: `dm-0` for /dev/mapper/x. */
const deviceOf = (path: string): string => {
  const { rdevMajor, rdevMinor } = lstatBytes(textToBytes(realpathSync(path)))
  return blockDevice(`${rdevMajor}:${rdevMinor}`)
}

/** The directory of the btrfs that has the block device `name`. */
const findBtrfs = (name: string): string | undefined =>
  readdirSync(`${SYS_FS}/btrfs`)
    .map(id => `${SYS_FS}/btrfs/${id}`)
    .find(
      directory =>
        statSync(`${directory}/devices/${name}`, { throwIfNoEntry: false }) !==
        undefined,
    )
