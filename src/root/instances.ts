/**
 * Instances: many writable roots over one commit, each a few empty
 * directories until something is written.
 */

import { existsSync, readFileSync, readdirSync } from '../system/files.ts'
import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { BadJson, parseJson } from '../bytes/json-shape.ts'
import { DendroError, wrapSystemError } from '../errors.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { makeDirectory, renameFile, syncDirectory } from '../system/disk.ts'
import { makeDirectoryDurably, writeDurably } from '../system/durable-file.ts'
import { removeTree } from '../system/remove-tree.ts'
import { runOnce } from './enter.ts'
import { lockEnterable, requireWritableLayer } from '../sysroot/enterable.ts'
import type { Enterable } from '../sysroot/enterable.ts'
import type { Command } from './entry-process.ts'
import { requireMountPoints } from './mount-points.ts'
import { runningLayer } from '../sysroot/running.ts'
import type { RunningEtc } from '../sysroot/running.ts'
import type { Sysroot } from '../sysroot/session.ts'
import type { SysrootPaths } from '../sysroot/sysroot.ts'
import {
  INSTANCE_RECORD,
  STORED_INSTANCE,
  instancePath,
  isInstanceName,
  renewInstanceHolds,
} from '../sysroot/instance-records.ts'
import { holdInstance, releaseInstance } from '../sysroot/sysroot-holds.ts'
import { requireRoot } from '../system/root-user.ts'

export interface Instance {
  readonly name: string
  /** In hex. */
  readonly commit: string
  readonly createdSec: number
  readonly running: RunningEtc | undefined
}

const PARTS = ['etc', 'var', 'root'] as const

/** Makes an instance. Errors: `INSTANCE_EXISTS`, `NOT_DEPLOYABLE`, system errors. */
export const createInstance = (
  sysroot: Sysroot,
  name: string,
  commit: Digest,
): Instance => {
  const { repository, paths } = sysroot
  requireMountPoints(repository, sysroot.layout(commit))
  const path = instancePath(paths, name)
  if (existsSync(path))
    throw new DendroError('INSTANCE_EXISTS', `there is an instance ${name}`, {
      hint: `dendro instance rm ${name} removes it`,
    })
  const createdSec = Math.floor(Date.now() / 1000)
  const hex = digestToHex(commit)
  try {
    makeDirectoryDurably(paths.instances)
    renewInstanceHolds(sysroot)
    holdInstance(sysroot, name, commit)
    const temporary = join(paths.instances, `.${name}.${process.pid}.tmp`)
    makeDirectory(temporary, 0o700)
    for (const part of PARTS) {
      makeDirectory(join(temporary, part), 0o700)
      makeDirectory(join(temporary, part, 'upper'), 0o755)
      makeDirectory(join(temporary, part, 'work'), 0o700)
    }
    const record = { format: 1, commit: hex, createdSec }
    writeDurably(
      join(temporary, INSTANCE_RECORD),
      Buffer.from(`${JSON.stringify(record)}\n`),
    )
    renameFile(temporary, path)
    syncDirectory(paths.instances)
  } catch (error) {
    throw wrapSystemError(`cannot make instance ${name}`, error)
  }
  return { name, commit: hex, createdSec, running: undefined }
}

const enterableOf = (paths: SysrootPaths, name: string): Enterable => {
  const directory = instancePath(paths, name)
  return {
    name: `instance ${name}`,
    directory,
    lock: join(directory, 'etc'),
    upper: join(directory, 'etc', 'upper'),
  }
}

const runningOf = (paths: SysrootPaths, name: string): RunningEtc | undefined =>
  runningLayer(enterableOf(paths, name).upper)

/** Errors: `NOT_FOUND`, `CORRUPT_SYSROOT`. */
export const readInstance = (paths: SysrootPaths, name: string): Instance => {
  const path = join(instancePath(paths, name), INSTANCE_RECORD)
  if (!existsSync(path))
    throw new DendroError('NOT_FOUND', `there is no instance ${name}`, {
      hint: 'dendro instance list lists them',
    })
  try {
    const { commit, createdSec } = parseJson(
      readFileSync(path),
      STORED_INSTANCE,
    )
    return { name, commit, createdSec, running: runningOf(paths, name) }
  } catch (error) {
    if (error instanceof BadJson && error.newer !== undefined)
      throw new DendroError(
        'FUTURE_FORMAT',
        `cannot read instance ${name}: ${path}: ${error.message}`,
        { hint: 'install a newer dendro' },
      )
    throw new DendroError(
      'CORRUPT_SYSROOT',
      `damaged instance ${name}: ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
        hint: `dendro instance rm ${name} removes it`,
      },
    )
  }
}

export const listInstances = (paths: SysrootPaths): Instance[] =>
  existsSync(paths.instances)
    ? readdirSync(paths.instances)
        .filter(isInstanceName)
        .sort()
        .map(name => readInstance(paths, name))
    : []

/** Errors: `NOT_FOUND`, `DEPLOYMENT_IN_USE`. */
export const removeInstance = async (
  sysroot: Sysroot,
  name: string,
): Promise<void> => {
  const { paths } = sysroot
  const path = instancePath(paths, name)
  if (!existsSync(path))
    throw new DendroError('NOT_FOUND', `there is no instance ${name}`, {
      hint: 'dendro instance list lists them',
    })
  const lock = await lockEnterable(enterableOf(paths, name))
  try {
    remove(sysroot, name)
  } finally {
    lock.release()
  }
}

const remove = (sysroot: Sysroot, name: string): void => {
  const { paths } = sysroot
  const path = instancePath(paths, name)
  const running = runningOf(paths, name)
  if (running !== undefined)
    throw new DendroError(
      'DEPLOYMENT_IN_USE',
      `cannot remove instance ${name}: it runs${running.pid === undefined ? '' : ` in process ${running.pid}`}`,
      { hint: 'end what runs in it first' },
    )
  // Out of sight first: half of an instance is none.
  const gone = join(paths.instances, `.${name}.${process.pid}.gone`)
  try {
    renameFile(path, gone)
  } catch (error) {
    throw wrapSystemError(`cannot remove instance ${name}`, error)
  }
  syncDirectory(paths.instances)
  removeTree(textToBytes(gone))
  releaseInstance(sysroot, name)
}

/** Runs a command in an instance; its exit status. */
export const runInInstance = async (
  sysroot: Sysroot,
  name: string,
  command: Command,
): Promise<number> => {
  requireRoot('enter an instance')
  const { repository, paths } = sysroot
  const { commit } = readInstance(paths, name)
  const layout = sysroot.layout(digestFromHex(commit) as Digest)
  const path = instancePath(paths, name)
  const overlay = (part: (typeof PARTS)[number]) =>
    ({
      kind: 'overlay',
      upper: join(path, part, 'upper'),
      work: join(path, part, 'work'),
    }) as const
  const enterable = enterableOf(paths, name)
  const parts = () => {
    requireWritableLayer(enterable)
    return {
      etc: overlay('etc'),
      var: overlay('var'),
      whole: overlay('root'),
      recorded: { upper: overlay('etc').upper, isEntered: true },
    }
  }
  return runOnce(repository, { enterable, layout, parts }, command)
}
