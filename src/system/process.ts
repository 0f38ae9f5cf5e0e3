/**
 * What /proc tells of processes (proc(5)). One that has ended, or that is not
 * ours to look into, tells nothing: no function here throws for it.
 */

import { bytesToText } from '../bytes/byte-text.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { readFileSync, readdirSync, readlinkSync, statSync } from './files.ts'

/** What `work` reads of a process; `otherwise` when it cannot be read. */
const read = <T>(work: () => T, otherwise: T): T => {
  try {
    return work()
  } catch {
    // It has ended, or is not ours to look into.
    return otherwise
  }
}

/** A file of text of a process; empty when it cannot be read. */
const textOf = (pid: number, name: string): string =>
  read(() => readFileSync(`/proc/${pid}/${name}`, 'latin1'), '')

/** Field 22 of /proc/PID/stat; what stands before may hold spaces. */
const START_FIELD = 22
const FIRST_BEHIND_NAME = 3

/**
 * When the process began, in clock ticks since the boot; undefined when there
 * is none or it has ended. Numbers of processes are used again, this pair is not.
 */
export const startTicksOf = (pid: number): number | undefined => {
  const text = textOf(pid, 'stat')
  if (text === '') return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  if (state === 'Z' || state === 'X') return undefined
  return Number(fields[START_FIELD - FIRST_BEHIND_NAME])
}

/** The numbers of all processes that /proc shows. */
export const listProcesses = (): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)

/**
 * Whether a process is gone, or nothing but its exit status is left: its first
 * thread is a zombie, and there is no other (proc_pid_stat(5)). Its command line
 * goes earlier than its descriptors.
 */
export const hasEnded = (pid: number): boolean =>
  read(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const isZombie = /^\d+ \(.*\) [ZX] /s.test(stat)
    return isZombie && readdirSync(`/proc/${pid}/task`).length <= 1
  }, true)

/** The command line (latin1, NULs between the words); empty for none. */
export const commandLineOf = (pid: number): string => textOf(pid, 'cmdline')

/** The name of the program, 15 bytes at most; undefined when it is not told. */
export const commandNameOf = (pid: number): string | undefined =>
  read(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd(), undefined)

/** The real user that a process is of. */
export const userOf = (pid: number): number | undefined =>
  read(() => statSync(`/proc/${pid}`).uid, undefined)

/** The root directory of a process as this one names it; undefined when it is not told. */
export const rootOf = (pid: number): string | undefined =>
  read(() => readlinkSync(`/proc/${pid}/root`), undefined)

/**
 * A path through which `path` (absolute) is reached as the process sees it; of
 * its own `..` and links in it the process's root is not the end.
 */
export const pathInRootOf = (pid: number, path = ''): string =>
  `/proc/${pid}/root${path}`

/** The memory mappings, a line each (proc_pid_maps(5)), latin1; empty for none. */
export const mappingsOf = (pid: number): string => textOf(pid, 'maps')

/**
 * The open files by their numbers; none when it is not told. Some kernels tell
 * more people the names in `fdinfo`.
 */
export const descriptorsOf = (
  pid: number,
  directory: 'fd' | 'fdinfo' = 'fd',
): string[] => read(() => readdirSync(`/proc/${pid}/${directory}`), [])

/** What is open as `fd`: a path, or another name as `mnt:[4026531840]`; empty for none. */
export const openFileOf = (pid: number, fd: string): string =>
  read(() => readlinkSync(`/proc/${pid}/fd/${fd}`), '')

/** What the kernel tells of an open file (proc_pid_fdinfo(5)); empty for none. */
export const descriptorInfoOf = (pid: number, fd: string): string =>
  textOf(pid, `fdinfo/${fd}`)

/** A path that a process holds. */
export interface PathInUse {
  /** `cwd`, `root`, `exe`, `fd` or `map`. */
  readonly kind: string
  readonly path: string
  /** The mount that it is on (`MountEntry.id`), where the kernel tells it. */
  readonly mountId?: number
}

/** All paths that a process holds, each mapped file once. */
export function* pathsInUseBy(pid: number): Generator<PathInUse> {
  for (const kind of ['cwd', 'root', 'exe']) {
    const path = read(() => readlinkSync(`/proc/${pid}/${kind}`), '')
    if (path !== '') yield { kind, path }
  }
  for (const fd of descriptorsOf(pid)) {
    const path = openFileOf(pid, fd)
    if (!path.startsWith('/')) continue
    const mountId = mountIdIn(descriptorInfoOf(pid, fd))
    yield { kind: 'fd', path, ...(mountId === undefined ? {} : { mountId }) }
  }
  const seen = new Set<string>()
  for (const line of mappingsOf(pid).split('\n')) {
    const at = line.indexOf('/')
    const path = at < 0 ? '' : bytesToText(latin1ToBytes(line.slice(at)))
    if (path === '' || seen.has(path)) continue
    seen.add(path)
    yield { kind: 'map', path }
  }
}

/** The mount id in the text of proc_pid_fdinfo(5), where the kernel tells it. */
export const mountIdIn = (text: string): number | undefined => {
  const id = /^mnt_id:\s*(\d+)/m.exec(text)?.[1]
  return id === undefined ? undefined : Number(id)
}
