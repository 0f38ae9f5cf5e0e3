/**
 * Which deployments and instances run, and where their /etc is mounted.
 *
 * A layer runs where the overlay is mounted that dendro recorded for it
 * (mounted-layers.ts), in this mount namespace or in another one of the same
 * user namespace. Names in mount tables say nothing, but for those of mounts
 * that an older program made there (unrecorded-layers.ts).
 */

import {
  closeSync,
  constants,
  descriptorPath,
  fstatSync,
  openSync,
  readdirSync,
} from '../system/files.ts'
import { join } from 'node:path'
import { DendroError } from '../errors.ts'
import {
  holdMountNamespace,
  isOfOwnUser,
  ownMountNamespace,
} from '../system/namespaces.ts'
import type { HeldNamespace } from '../system/namespaces.ts'
import { deviceOf, findMountTableOf } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { listProcesses, pathInRootOf } from '../system/process.ts'
import {
  findLayerIdentity,
  isHeld,
  isMountOf,
  readLayerRecords,
} from './mounted-layers.ts'
import type { LayerRecord } from './mounted-layers.ts'
import { deploymentName } from './sysroot.ts'
import type { ListedDeployment, SysrootPaths } from './sysroot.ts'
import { unrecordedLayer } from './unrecorded-layers.ts'

export interface RunningEtc {
  /** A process that sees the mount; undefined when this one does. */
  readonly pid: number | undefined
  /** The mount point as that process names it. */
  readonly mountpoint: string
  /** The superblock of the overlay, `major:minor`. */
  readonly device: string
  /** Whether a throw-away layer lies over its /usr. */
  readonly isUnlocked: boolean
}

/** Marks the throw-away layers of `live unlock` in the mount table. */
export const UNLOCKED_LAYER = 'dendro-unlocked'

interface Found extends RunningEtc {
  readonly layer: string
}

/** `isBelieved`: whether root of our user namespace made what the table shows. */
const scan = (
  records: readonly LayerRecord[],
  table: readonly MountEntry[],
  pid: number | undefined,
  isBelieved: boolean,
): Found[] =>
  table.flatMap(entry => {
    const layer =
      records.find(known => isMountOf(known, entry))?.layer ??
      (isBelieved ? unrecordedLayer(entry) : undefined)
    if (layer === undefined) return []
    const { mountpoint, device } = entry
    const usr = mountpoint.replace(/etc$/, 'usr')
    const isUnlocked = table.some(
      other =>
        other.mountpoint === usr &&
        other.type === 'overlay' &&
        other.source === UNLOCKED_LAYER,
    )
    return [{ layer, pid, mountpoint, device, isUnlocked }]
  })

/** One process of each other mount namespace that is to be believed. */
function* otherNamespaces(): Generator<number> {
  const seen = new Set([ownMountNamespace()])
  for (const pid of listProcesses()) {
    const held = holdMountNamespace(pid)
    if (held === undefined) continue
    const isNew = !seen.has(held.inode)
    seen.add(held.inode)
    const isBelieved = isNew && isOfOwnUser(held)
    held.close()
    if (isBelieved) yield pid
  }
}

/** A program that was sent into a namespace of somebody else is not at home. */
const isOwnBelieved = (): boolean => {
  const held = holdMountNamespace(process.pid)
  if (held === undefined) return false
  try {
    return isOfOwnUser(held)
  } finally {
    held.close()
  }
}

/**
 * All running layers by identity (`layerIdentity`); mounts of this process's own
 * namespace win. Looks into every mount namespace: ask once.
 */
export const findRunningLayers = (): ReadonlyMap<string, RunningEtc> => {
  const found = new Map<string, RunningEtc>()
  const records = readLayerRecords()
  const add = (entries: readonly Found[]) => {
    for (const { layer, ...running } of entries)
      if (!found.has(layer)) found.set(layer, running)
  }
  add(scan(records, findMountTableOf('self'), undefined, isOwnBelieved()))
  for (const pid of otherNamespaces())
    add(scan(records, findMountTableOf(pid), pid, true))
  return found
}

/** Where the layer whose upper directory is at `upper` is mounted, by a new look. */
export const runningLayer = (upper: string): RunningEtc | undefined => {
  const layer = findLayerIdentity(upper)
  return layer === undefined ? undefined : findRunningLayers().get(layer)
}

const directoriesIn = (path: string): string[] => {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}

/**
 * The running deployments of a sysroot by name (`deploymentName`), listed or
 * not; `layers` is what `findRunningLayers` found.
 */
export const runningByName = (
  paths: SysrootPaths,
  layers: ReadonlyMap<string, RunningEtc>,
): ReadonlyMap<string, RunningEtc> => {
  const found = new Map<string, RunningEtc>()
  if (layers.size === 0) return found
  for (const os of directoriesIn(paths.deploy))
    for (const name of directoriesIn(join(paths.deploy, os))) {
      const upper = join(paths.deploy, os, name, 'etc', 'upper')
      const layer = findLayerIdentity(upper)
      const etc = layer === undefined ? undefined : layers.get(layer)
      if (etc !== undefined) found.set(`${os}/${name}`, etc)
    }
  return found
}

/** The one of `deployments` that runs in this mount namespace, if one does. */
export const runningHere = (
  deployments: readonly ListedDeployment[],
  running: ReadonlyMap<string, RunningEtc>,
): ListedDeployment | undefined => {
  const etcOf = (id: ListedDeployment) => running.get(deploymentName(id))
  // Those of `dendro run` are in namespaces of their own, and do not count.
  const own = deployments.filter(id => {
    const etc = etcOf(id)
    return etc !== undefined && etc.pid === undefined
  })
  return own.find(id => etcOf(id)?.mountpoint === '/etc') ?? own[0]
}

/** A mount namespace that dendro made for who is entered. */
export interface EnteredNamespace {
  readonly record: LayerRecord
  readonly held: HeldNamespace
}

/**
 * A namespace in which the layer was entered, held open so that it can be
 * joined even when its process ends now; undefined when there is none.
 */
export const holdEntered = (upper: string): EnteredNamespace | undefined => {
  const layer = findLayerIdentity(upper)
  if (layer === undefined) return undefined
  for (const record of readLayerRecords()) {
    if (record.layer !== layer || record.holder === null) continue
    const held = holdMountNamespace(record.holder.pid)
    if (held === undefined) continue
    // Asked after it was opened: it is that process's or none.
    const isOurs =
      held.inode === record.namespace &&
      isOfOwnUser(held) &&
      isHeld(record.holder)
    if (isOurs && hasMountOf(record, record.holder.pid)) return { record, held }
    held.close()
  }
  return undefined
}

const hasMountOf = (record: LayerRecord, pid: number): boolean =>
  findMountTableOf(pid).some(entry => isMountOf(record, entry))

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants

/**
 * A path by which this process reaches the mount, and nothing else: through a
 * descriptor that stays open as long as the process.
 * Errors: `NOT_MOUNTED`.
 */
export const reachable = (running: RunningEtc): string => {
  const { pid, mountpoint, device } = running
  const path = pid === undefined ? mountpoint : pathInRootOf(pid, mountpoint)
  const gone = (cause?: unknown) =>
    new DendroError('NOT_MOUNTED', `${mountpoint} is not mounted any more`, {
      cause,
      hint: 'try again',
    })
  let fd: number
  try {
    fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch (error) {
    throw gone(error)
  }
  if (deviceOf(fstatSync(fd).dev) === device) return descriptorPath(fd)
  closeSync(fd)
  throw gone()
}
