/**
 * The mounted /etc of a deployment that runs, held by descriptor. Its mount
 * point is resolved as the processes there do, and what is found must be that
 * overlay: its root may do anything to names and mounts inside.
 */

import { textToBytes } from '../bytes/byte-text.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { deviceOf, mountTableOf } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { pathInRootOf } from '../system/process.ts'
import type { RunningEtc } from '../sysroot/running.ts'

export interface OpenEtc {
  /** The caller closes it. */
  readonly root: DirectoryHandle
  /** Raw paths in it at which something else is mounted. */
  readonly mounts: readonly string[]
}

/** Errors: `MOUNT_BUSY` when something else is mounted over all of it. */
export const openRunningEtc = (running: RunningEtc): OpenEtc => {
  const { pid, mountpoint, device } = running
  const root = openInNamespace(pid, mountpoint)
  try {
    if (deviceOf(root.status().dev) !== device) throw covered(mountpoint)
    const table = mountTableOf(pid ?? 'self')
    return { root, mounts: mountsBelow(table, mountpoint) }
  } catch (error) {
    root.close()
    throw error
  }
}

const openInNamespace = (
  pid: number | undefined,
  mountpoint: string,
): DirectoryHandle => {
  if (pid === undefined) return DirectoryHandle.open(textToBytes(mountpoint))
  const top = DirectoryHandle.open(Buffer.from(pathInRootOf(pid)))
  try {
    return top.inRoot(textToLatin1(mountpoint))
  } finally {
    top.close()
  }
}

const mountsBelow = (
  table: readonly MountEntry[],
  mountpoint: string,
): string[] =>
  table
    .map(entry => textToLatin1(entry.mountpoint))
    .filter(path => path.startsWith(`${textToLatin1(mountpoint)}/`))
    .map(path => path.slice(textToLatin1(mountpoint).length + 1))

const covered = (mountpoint: string): DendroError =>
  new DendroError(
    'MOUNT_BUSY',
    `cannot change ${mountpoint}: something else is mounted over it`,
    {
      hint: 'systemd-confext unmerge takes extensions away, umount any other mount',
    },
  )
