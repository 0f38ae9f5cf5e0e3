/**
 * Mount namespaces: which one a process is in, whose it is, and a hold on it.
 *
 * The path /proc/PID/ns/mnt may name another process at each look. So it is
 * opened once, and everything is asked of the descriptor: namespaces(7).
 */

import {
  closeSync,
  fstatSync,
  openSync,
  readlinkSync,
  statSync,
} from './files.ts'
import { tryShim } from './native.ts'

/** An open namespace; it stays, with its mounts, until `close`. */
export interface HeldNamespace {
  readonly fd: number
  /** Its number among those that are there now: `mnt:[4026531840]`. */
  readonly inode: number
  close(): void
}

/** The mount namespace of this process's first thread. */
export const ownMountNamespace = (): number => statSync('/proc/self/ns/mnt').ino

/**
 * What a namespace of a process is called, `mnt:[4026531840]`; undefined when it
 * has ended or is not ours to look into. To tell namespaces apart at a look: it
 * holds none.
 */
export const namespaceNameOf = (
  pid: number,
  kind: 'mnt' | 'user',
): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`)
  } catch {
    return undefined
  }
}

/** The same of this process. System errors: ENOENT where there is no /proc. */
export const ownNamespaceName = (kind: 'mnt' | 'user'): string =>
  readlinkSync(`/proc/self/ns/${kind}`)

/** Undefined when the process has ended or is not ours to look into. */
export const holdMountNamespace = (pid: number): HeldNamespace | undefined => {
  try {
    const fd = openSync(`/proc/${pid}/ns/mnt`, 'r')
    return { fd, inode: fstatSync(fd).ino, close: () => closeSync(fd) }
  } catch {
    return undefined
  }
}

/**
 * Whether a namespace belongs to the user namespace of this process. One that
 * an ordinary user made belongs to a user namespace of his own: what is mounted
 * there is his word, and nobody else's.
 */
export const isOfOwnUser = ({ fd }: HeldNamespace): boolean => {
  const owner = tryShim()?.namespaceOwner(fd) ?? -1
  if (owner < 0) return false
  try {
    const found = fstatSync(owner)
    const own = statSync('/proc/self/ns/user')
    return found.ino === own.ino && found.dev === own.dev
  } finally {
    closeSync(owner)
  }
}
