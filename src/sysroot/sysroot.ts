/**
 * Where things stand under SYSROOT/dendro, and the one file that says which
 * deployments there are.
 *
 * `boot` is a symlink to a directory `boot.<serial>` that holds the state and
 * the boot entries made from it. A change makes the next directory and renames
 * the symlink: state and entries change together, by one rename.
 * Format: docs/formats/sysroot.md
 */

import { randomUUID } from 'node:crypto'
import { textToBytes } from '../bytes/byte-text.ts'
import { absolutePath } from '../system/caller.ts'
import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
} from '../system/files.ts'
import { join } from 'node:path'
import {
  BadJson,
  aBoolean,
  aListOf,
  aString,
  anInteger,
  anObject,
  anOpenObject,
  ofFormat,
  optional,
  parseJson,
} from '../bytes/json-shape.ts'
import type { Shape } from '../bytes/json-shape.ts'
import { DendroError, errnoOf, wrapSystemError } from '../errors.ts'
import { digestFromHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { decodeChecked, encodeChecked } from '../store/operation-log.ts'
import {
  closeFile,
  createFile,
  makeDirectory,
  makeSymlink,
  renameFile,
  syncDirectory,
} from '../system/disk.ts'
import {
  makeDirectoryDurably,
  temporaryName,
  writeDurably,
} from '../system/durable-file.ts'

export const SYSROOT_VERSION = 1

export interface SysrootPaths {
  readonly root: string
  readonly repository: string
  /** Held exclusively by whoever changes deployments. */
  readonly lock: string
  readonly boot: string
  readonly operations: string
  /** The repository of the layers as they were. */
  readonly history: string
  readonly deploy: string
  readonly instances: string
  /** The programs that serve deployments from the boot on: `<tree digest>/`. */
  readonly runtimes: string
  /** What the boot of each OS reads: src/machine/profile.ts. */
  readonly profiles: string
  /** How often each deployment was booted without being confirmed. */
  readonly tries: string
  /** The directory that boot loaders read; machines that boot have it. */
  readonly bootLoader: string
  /** Kernels outside the repository: `<release>-<16 hex digits>/`. */
  readonly kernels: string
  /** Where a boot loader looks: a link into `boot`. */
  readonly loader: string
}

export const sysrootPaths = (root: string): SysrootPaths => {
  const real = existsSync(root) ? realpathSync(root) : absolutePath(root)
  const dendro = join(real, 'dendro')
  return {
    root: real,
    repository: join(dendro, 'repo'),
    lock: join(dendro, 'deploy.lock'),
    boot: join(dendro, 'boot'),
    operations: join(dendro, 'operations'),
    history: join(dendro, 'history'),
    deploy: join(dendro, 'deploy'),
    instances: join(dendro, 'instances'),
    runtimes: join(dendro, 'runtime'),
    profiles: join(dendro, 'profile'),
    tries: join(dendro, 'tries'),
    bootLoader: join(real, 'boot'),
    kernels: join(real, 'boot', 'dendro'),
    loader: join(real, 'boot', 'loader'),
  }
}

/** Names one deployment: `<os>/<commit>.<serial>`. */
export interface DeploymentId {
  readonly os: string
  /** The commit, in hex. */
  readonly commit: string
  /** Tells deployments of the same commit apart. */
  readonly serial: number
}

export interface ListedDeployment extends DeploymentId {
  readonly isPinned: boolean
  /** What its kernel is told besides its name. */
  readonly kernelArguments?: readonly string[]
  /** The runtime that boots it, in hex; see `runtimes`. */
  readonly runtime?: string
}

export interface SysrootState {
  /** A UUID; marks the holds of this sysroot in its repository. */
  readonly id: string
  /** Grows by one with every change. */
  readonly serial: number
  /** Number of the operation that made this state; 0 for none. */
  readonly operation: number
  /** The first is the default of the next boot. */
  readonly deployments: readonly ListedDeployment[]
}

export const deploymentName = ({ os, commit, serial }: DeploymentId): string =>
  `${os}/${commit}.${serial}`

export const isSameDeployment = (a: DeploymentId, b: DeploymentId): boolean =>
  deploymentName(a) === deploymentName(b)

/** The short form for people: `debian 1a2b3c4d5e6f.0`. */
export const shortName = ({ os, commit, serial }: DeploymentId): string =>
  `${os} ${commit.slice(0, 12)}.${serial}`

export const commitOf = ({ commit }: DeploymentId): Digest =>
  digestFromHex(commit) as Digest

export const deploymentPath = (paths: SysrootPaths, id: DeploymentId): string =>
  join(paths.deploy, deploymentName(id))

export const layerPath = (paths: SysrootPaths, id: DeploymentId): string =>
  join(deploymentPath(paths, id), 'etc', 'upper')

const OS_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** Errors: `INVALID_ARGUMENT`. */
export const checkOsName = (os: string): string => {
  if (OS_NAME.test(os)) return os
  throw new DendroError('INVALID_ARGUMENT', `bad OS name '${os}'`, {
    hint: 'use letters, digits, dots, dashes and underscores, at most 64',
  })
}

/**
 * One word of a kernel command line, printable ASCII; the kernel takes double
 * quotes around white space (Documentation/admin-guide/kernel-parameters).
 */
export const isKernelArgument = (text: unknown): text is string =>
  typeof text === 'string' &&
  text.length <= MAX_KERNEL_ARGUMENT &&
  /^(?:[!#-~]|"[ -!#-~]*")+$/.test(text)

const MAX_KERNEL_ARGUMENT = 1024

const EMPTY = (): SysrootState => ({
  id: randomUUID(),
  serial: 0,
  operation: 0,
  deployments: [],
})

const damaged = (path: string, why: string): DendroError =>
  new DendroError(
    'CORRUPT_SYSROOT',
    `damaged state of deployments: ${path}: ${why}`,
    { hint: 'the directories beside it hold earlier states' },
  )

const DIGEST = aString(
  text => digestFromHex(text) !== undefined,
  '64 hex digits',
)

const STATE: Shape<SysrootState> = ofFormat(
  'version',
  SYSROOT_VERSION,
  anObject({
    id: aString(),
    serial: anInteger(),
    operation: anInteger(),
    deployments: aListOf(
      anOpenObject({
        os: aString(text => OS_NAME.test(text), 'the name of an OS'),
        commit: DIGEST,
        serial: anInteger(),
        isPinned: aBoolean,
        runtime: optional(DIGEST),
        kernelArguments: optional(
          aListOf(aString(isKernelArgument, 'a kernel argument')),
        ),
      }),
    ),
  }),
)

/**
 * The state of a sysroot; an empty one where nothing was deployed yet.
 * Errors: `CORRUPT_SYSROOT`, `FUTURE_FORMAT`, system errors.
 */
export const readSysroot = (paths: SysrootPaths): SysrootState => {
  const path = join(paths.boot, 'state.json')
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && !isLink(paths.boot)) return EMPTY()
    if (errnoOf(error) === 'ENOENT') throw damaged(path, 'it points to nothing')
    throw wrapSystemError(`cannot read ${path}`, error)
  }
  const body = decodeChecked(bytes)
  if (body === undefined)
    throw damaged(path, 'it is cut short or its checksum is wrong')
  try {
    return parseJson(body, STATE)
  } catch (error) {
    if (!(error instanceof BadJson)) throw error
    if (error.newer === undefined) throw damaged(path, error.message)
    throw new DendroError(
      'FUTURE_FORMAT',
      `cannot read ${path}: ${error.message}`,
      { hint: 'use a newer dendro' },
    )
  }
}

const isLink = (path: string): boolean => {
  try {
    readlinkSync(path)
    return true
  } catch {
    return false
  }
}

/** A file of the boot directory besides the state. */
export interface BootFile {
  /** Relative to the boot directory. */
  readonly name: string
  readonly text: string
}

/** Makes `state` what the sysroot is, by one rename. */
export const writeSysroot = (
  paths: SysrootPaths,
  state: SysrootState,
  files: readonly BootFile[],
): void => {
  const name = `boot.${state.serial}`
  const directory = join(paths.boot, '..', name)
  const body = JSON.stringify({ version: SYSROOT_VERSION, ...state })
  makeDirectory(directory)
  for (const file of files) {
    const path = join(directory, file.name)
    makeDirectoryDurably(join(path, '..'))
    writeDurably(path, textToBytes(file.text))
  }
  writeDurably(join(directory, 'state.json'), encodeChecked(body))
  const link = temporaryName(paths.boot)
  makeSymlink(name, link)
  renameFile(link, paths.boot)
  syncDirectory(join(paths.boot, '..'))
}

/** Boot directories that are not the current one, and what was on its way. */
export const oldBootDirectories = (paths: SysrootPaths): string[] => {
  const parent = join(paths.boot, '..')
  const current = isLink(paths.boot) ? readlinkSync(paths.boot) : ''
  return readdirSync(parent)
    .filter(
      name =>
        /^(?:boot\.(?:\d+|.*\.tmp)|layer\..*\.tmp)$/.test(name) &&
        name !== current,
    )
    .map(name => join(parent, name))
}

/** Never replaced once it is there: others may hold it. */
const makeLockFile = (path: string): void => {
  try {
    closeFile(createFile(path))
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}

/**
 * Makes what every sysroot has, for who is to change it. Errors: system errors,
 * also where it cannot be written to.
 */
export const prepareSysroot = (paths: SysrootPaths): void => {
  try {
    makeDirectoryDurably(paths.deploy)
    makeLockFile(paths.lock)
    accessSync(paths.deploy, constants.W_OK)
  } catch (error) {
    throw wrapSystemError(
      `cannot change the deployments of ${paths.root}`,
      error,
    )
  }
}
