/**
 * Who holds a lock of flock(2), from /proc/locks (proc_locks(5)).
 *
 * The kernel names the process that took it: 0 for one of another pid
 * namespace, and one that has ended where a child has inherited the open file.
 * Then it is looked for among all open files (proc_pid_fdinfo(5)).
 */

import { readdirSync, readFileSync, statSync } from './files.ts'

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

const attempt = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch {
    // It has ended, or is not to be looked into.
    return undefined
  }
}

/** The numbers of a `dev_t` as glibc splits it. */
const deviceText = (dev: number): string => {
  const value = BigInt(dev)
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & ~0xfffn)
  const minor = (value & 0xffn) | ((value >> 12n) & ~0xffn & 0xffffffffn)
  return `${major}:${minor}`
}

/** The processes that hold a lock on a file; none where the kernel does not say. */
export const lockHolders = (file: {
  readonly dev: number
  readonly ino: number
}): LockHolder[] => {
  const text = attempt(() => readFileSync('/proc/locks', 'utf8')) ?? ''
  const pids = parseHolders(text, deviceText(file.dev), file.ino)
  const holders = pids.flatMap(pid => holderOf(pid) ?? [])
  return pids.length > 0 && holders.length === 0
    ? inheritors(file.ino)
    : holders
}

const holderOf = (pid: number): LockHolder | undefined =>
  attempt(() => ({
    pid,
    uid: statSync(`/proc/${pid}`).uid,
    command: readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd(),
  }))

/** The processes with an open file that holds a lock on the inode. */
const inheritors = (inode: number): LockHolder[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      const files = attempt(() => readdirSync(`/proc/${pid}/fdinfo`)) ?? []
      return files.some(fd => {
        const path = `/proc/${pid}/fdinfo/${fd}`
        const text = attempt(() => readFileSync(path, 'utf8')) ?? ''
        return (
          parseHolders(text.replaceAll(/^lock:\s+/gm, ''), '', inode).length > 0
        )
      })
    })
    .flatMap(pid => holderOf(Number(pid)) ?? [])

/** `sleep (pid 12, user 1000)`, or other words where nobody is known. */
export const describeHolders = (holders: readonly LockHolder[]): string =>
  holders.length === 0
    ? 'another process'
    : holders
        .slice(0, 3)
        .map(({ pid, uid, command }) => `${command} (pid ${pid}, user ${uid})`)
        .join(', ')
