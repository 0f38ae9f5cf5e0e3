/**
 * Who holds a lock of flock(2), from /proc/locks (proc_locks(5)).
 *
 * The kernel names the process that took it: 0 for one of another pid
 * namespace, and one that has ended where a child has inherited the open file.
 * Then it is looked for among all open files (proc_pid_fdinfo(5)).
 */

import { readFileSync } from './files.ts'
import { deviceOf } from './mount-table.ts'
import {
  commandNameOf,
  descriptorInfoOf,
  descriptorsOf,
  listProcesses,
  userOf,
} from './process.ts'

export interface LockHolder {
  readonly pid: number
  readonly uid: number
  readonly command: string
}

/** `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`; waiters have "->". */
const LINE = /^\d+: FLOCK +\S+ +\S+ +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /

/** The pids of `text` that hold a lock on the inode; those of `device` if any. Pure. */
export const parseHolders = (
  text: string,
  device: string,
  inode: number,
): number[] => {
  const found = text.split('\n').flatMap(line => {
    const [, pid, major, minor, ino] = LINE.exec(line) ?? []
    if (pid === undefined || Number(ino) !== inode) return []
    const on = [major, minor].map(part => Number.parseInt(part as string, 16))
    return { pid: Number(pid), isHere: on.join(':') === device }
  })
  // Of a subvolume stat(2) tells another device than the kernel does here.
  const here = found.filter(({ isHere }) => isHere)
  const counted = here.length > 0 ? here : found
  return [...new Set(counted.map(({ pid }) => pid))]
}

const readLocks = (): string => {
  try {
    return readFileSync('/proc/locks', 'utf8')
  } catch {
    // The kernel does not say.
    return ''
  }
}

/** The processes that hold a lock on a file; none where the kernel does not say. */
export const lockHolders = (file: {
  readonly dev: number
  readonly ino: number
}): LockHolder[] => {
  const pids = parseHolders(readLocks(), deviceOf(file.dev), file.ino)
  const holders = pids.flatMap(pid => holderOf(pid) ?? [])
  return pids.length > 0 && holders.length === 0
    ? inheritors(file.ino)
    : holders
}

const holderOf = (pid: number): LockHolder | undefined => {
  const uid = userOf(pid)
  const command = commandNameOf(pid)
  return uid === undefined || command === undefined
    ? undefined
    : { pid, uid, command }
}

/** The processes with an open file that holds a lock on the inode. */
const inheritors = (inode: number): LockHolder[] =>
  listProcesses()
    .filter(pid =>
      descriptorsOf(pid, 'fdinfo').some(fd => {
        const text = descriptorInfoOf(pid, fd).replaceAll(/^lock:\s+/gm, '')
        return parseHolders(text, '', inode).length > 0
      }),
    )
    .flatMap(pid => holderOf(pid) ?? [])

/** `sleep (pid 12, user 1000)`, or other words where nobody is known. */
export const describeHolders = (holders: readonly LockHolder[]): string =>
  holders.length === 0
    ? 'another process'
    : holders
        .slice(0, 3)
        .map(({ pid, uid, command }) => `${command} (pid ${pid}, user ${uid})`)
        .join(', ')
