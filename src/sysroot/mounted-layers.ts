/**
 * Which layers are mounted: what dendro wrote down when it mounted them.
 *
 * A mount table shows names, which anybody may give to what he mounts in a
 * namespace of his own. A record ties the identity of a layer, device and inode
 * of its upper directory, to the superblock of the overlay that root mounted
 * over it. docs/decisions/mounted-layers.md
 */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from '../system/files.ts'
import { join } from 'node:path'
import {
  aString,
  anInteger,
  anObject,
  orNull,
  parseJson,
} from '../bytes/json-shape.ts'
import type { Shape } from '../bytes/json-shape.ts'
import { DendroError } from '../errors.ts'
import { bootId } from '../system/boot-id.ts'
import { holdMountNamespace, ownMountNamespace } from '../system/namespaces.ts'
import { deviceOf, readMountTable } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { startTicksOf } from '../system/process.ts'
import { sharedBase } from '../system/run-directory.ts'

/** A process whose mount namespace dendro made. */
export interface Holder {
  readonly pid: number
  readonly startTicks: number
}

export interface LayerRecord {
  /** The boot it is of: /run may outlive one in a container. */
  readonly boot: string
  /** See `layerIdentity`. */
  readonly layer: string
  /** The superblock of the overlay, `major:minor`, and how it was mounted. */
  readonly device: string
  readonly options: string
  /** The mount namespace in which it was mounted. */
  readonly namespace: number
  /** Who was entered into that namespace; null where the caller's own has the mount. */
  readonly holder: Holder | null
}

const LAYER_RECORD: Shape<LayerRecord> = anObject({
  boot: aString(),
  layer: aString(),
  device: aString(),
  options: aString(),
  namespace: anInteger(),
  holder: orNull(anObject({ pid: anInteger(1), startTicks: anInteger() })),
})

const directoryPath = (): string => join(sharedBase(), 'layers')

/** Identity of the layer whose upper directory is at `upper`: `device-inode`. */
export const layerIdentity = (upper: string): string => {
  const { dev, ino } = statSync(upper, { bigint: true })
  return `${dev}-${ino}`
}

/** The same, or undefined where there is no such directory. */
export const findLayerIdentity = (upper: string): string | undefined => {
  try {
    return layerIdentity(upper)
  } catch {
    // It is gone, or not ours to look into.
    return undefined
  }
}

/** Made by root alone: others could tell of mounts that are not there. */
const isTrusted = (path: string): boolean => {
  const status = lstatSync(path, { throwIfNoEntry: false })
  return (
    status?.isDirectory() === true &&
    status.uid === 0 &&
    (status.mode & 0o022) === 0
  )
}

const requireDirectory = (): string => {
  const path = directoryPath()
  mkdirSync(path, { recursive: true, mode: 0o755 })
  if (isTrusted(path)) return path
  throw new DendroError(
    'PERMISSION_DENIED',
    `cannot use ${path}: others may write there`,
    { hint: 'remove it' },
  )
}

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

const readRecord = (path: string): LayerRecord | undefined => {
  try {
    const fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      if (!fstatSync(fd).isFile()) return undefined
      return parseJson(readFileSync(fd), LAYER_RECORD)
    } finally {
      closeSync(fd)
    }
  } catch {
    // Removed meanwhile, cut short when its writer was killed, or none of ours.
    return undefined
  }
}

/** All records of this boot. */
export const readLayerRecords = (): LayerRecord[] => {
  const directory = directoryPath()
  if (!isTrusted(directory)) return []
  const boot = bootId()
  return readdirSync(directory)
    .filter(name => name.endsWith('.json'))
    .flatMap(name => readRecord(join(directory, name)) ?? [])
    .filter(record => record.boot === boot)
}

const nameOf = ({ layer, namespace }: LayerRecord): string =>
  `${layer}.${namespace}.json`

const pathOf = (record: LayerRecord): string =>
  join(directoryPath(), nameOf(record))

/** Whether `entry` is the mount of a record, wherever it is mounted now. */
export const isMountOf = (record: LayerRecord, entry: MountEntry): boolean =>
  entry.type === 'overlay' &&
  entry.device === record.device &&
  entry.options === record.options

/** Whether the process that a record names is still the one it was. */
export const isHeld = ({ pid, startTicks }: Holder): boolean =>
  startTicksOf(pid) === startTicks

const write = (record: LayerRecord): LayerRecord => {
  const directory = requireDirectory()
  for (const other of readLayerRecords())
    if (isOutdatedBy(other, record)) rmSync(pathOf(other), { force: true })
  const temporary = join(directory, `.${process.pid}.new`)
  writeFileSync(temporary, `${JSON.stringify(record)}\n`, { mode: 0o644 })
  renameSync(temporary, pathOf(record))
  return record
}

/**
 * The number of a superblock is given again only when it is gone, and a layer is
 * mounted once.
 */
const isOutdatedBy = (other: LayerRecord, record: LayerRecord): boolean =>
  (other.device === record.device) !== (other.layer === record.layer) ||
  (other.holder !== null && !isHeld(other.holder))

const ownHolder = (): Holder => ({
  pid: process.pid,
  startTicks: startTicksOf(process.pid) as number,
})

/**
 * Records that the overlay at `mountpoint` is that of the layer `upper`. It is
 * mounted in the namespace of this process; `isEntered` when that was made for
 * who is entered.
 */
export const recordLayer = (
  upper: string,
  mountpoint: string,
  isEntered: boolean,
): LayerRecord => {
  const device = deviceOf(statSync(mountpoint).dev)
  const entry = readMountTable().find(
    mount => mount.type === 'overlay' && mount.device === device,
  )
  if (entry === undefined)
    throw new DendroError(
      'IO_ERROR',
      `cannot record the layer ${upper}: no overlay is mounted at ${mountpoint}`,
    )
  return write({
    boot: bootId(),
    layer: layerIdentity(upper),
    device,
    options: entry.options,
    namespace: ownMountNamespace(),
    holder: isEntered ? ownHolder() : null,
  })
}

/** The same mount in the namespace of `pid`, a copy of that of `record`. */
export const recordCopy = (
  record: LayerRecord,
  pid: number,
): LayerRecord | undefined => {
  const startTicks = startTicksOf(pid)
  const held = holdMountNamespace(pid)
  held?.close()
  if (startTicks === undefined || held === undefined) return undefined
  return write({
    ...record,
    namespace: held.inode,
    holder: { pid, startTicks },
  })
}

/** Takes the records of a mount in this process's namespace away. */
export const dropRecordsOf = (entry: MountEntry): void => {
  const namespace = ownMountNamespace()
  for (const record of readLayerRecords())
    if (record.namespace === namespace && isMountOf(record, entry))
      dropRecord(record)
}

/**
 * What takes the record of this process's own namespace away, also when "/" is
 * another root by then: it stands in the directory of the records from now on.
 */
export const ownRecordRemover = (record: LayerRecord): (() => void) => {
  process.chdir(directoryPath())
  return () => rmSync(nameOf(record), { force: true })
}

/** Takes a record away, unless another one stands in its place. */
export const dropRecord = (record: LayerRecord): void => {
  const found = readRecord(pathOf(record))
  if (found?.holder?.startTicks === record.holder?.startTicks)
    rmSync(pathOf(record), { force: true })
}
