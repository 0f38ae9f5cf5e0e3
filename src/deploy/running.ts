/**
 * Which deployments run, and where their /etc is mounted: found in the mount
 * tables, which cannot be out of date.
 */

import { readFileSync, readdirSync, readlinkSync } from '../system/files.ts'
import { parseMountTable } from '../system/mount-table.ts'
import { deploymentName } from './sysroot.ts'
import type { DeploymentId } from './sysroot.ts'

export interface RunningEtc {
  /** A process that sees the mount; undefined when this one does. */
  readonly pid: number | undefined
  /** The mount point as that process names it. */
  readonly mountpoint: string
  /** Whether a throw-away layer lies over its /usr. */
  readonly isUnlocked: boolean
}

/** Marks the throw-away layers of `live unlock` in the mount table. */
export const UNLOCKED_LAYER = 'dendro-unlocked'

/**
 * The end of the path of a layer. The directory above differs by where the
 * sysroot was mounted when the machine booted.
 */
const LAYER =
  /(?:^|,)upperdir=[^,]*\/(deploy|instances)\/((?:\\.|[^,])*?)\/etc\/upper(?:,|$)/

interface Found extends RunningEtc {
  readonly name: string
}

const tableOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, 'latin1')
  } catch {
    // The process has ended, or is not ours to look into.
    return ''
  }
}

const scan = (table: string, pid: number | undefined): Found[] => {
  const entries = parseMountTable(table)
  return entries.flatMap(entry => {
    const match = entry.type === 'overlay' ? LAYER.exec(entry.options) : null
    if (match === null) return []
    const [, place, name] = match as unknown as [string, string, string]
    const root = entry.mountpoint.replace(/\/etc$/, '')
    const isUnlocked = entries.some(
      ({ mountpoint, type, source }) =>
        mountpoint === `${root}/usr` &&
        type === 'overlay' &&
        source === UNLOCKED_LAYER,
    )
    const full = place === 'instances' ? `instances/${name}` : name
    return [{ name: full, pid, mountpoint: entry.mountpoint, isUnlocked }]
  })
}

const pids = (): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)

const namespaceOf = (pid: number): string => {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return ''
  }
}

/** All running layers by name; mounts of this process's own namespace win. */
export const runningLayers = (): ReadonlyMap<string, RunningEtc> => {
  const found = new Map<string, RunningEtc>()
  const add = (entries: readonly Found[]) => {
    for (const { name, ...running } of entries)
      if (!found.has(name)) found.set(name, running)
  }
  add(scan(tableOf('self'), undefined))
  const seen = new Set([namespaceOf(process.pid)])
  for (const pid of pids()) {
    const namespace = namespaceOf(pid)
    if (namespace === '' || seen.has(namespace)) continue
    seen.add(namespace)
    add(scan(tableOf(String(pid)), pid))
  }
  return found
}

export const runningEtcOf = (id: DeploymentId): RunningEtc | undefined =>
  runningLayers().get(deploymentName(id))

/** A path by which this process reaches the mount. */
export const reachable = ({ pid, mountpoint }: RunningEtc): string =>
  pid === undefined ? mountpoint : `/proc/${pid}/root${mountpoint}`
