/**
 * Where things stand in a repository directory, and how one is made and opened.
 *
 * Format: docs/formats/repository.md
 */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
} from '../system/files.ts'
import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { crc32 } from '../bytes/crc32.ts'
import {
  BadJson,
  aString,
  anInteger,
  anObject,
  ofFormat,
  parseJson,
} from '../bytes/json-shape.ts'
import { DendroError, errnoOf, wrapSystemError } from '../errors.ts'
import { absolutePath } from '../system/caller.ts'
import { makeDirectory, syncDirectory } from '../system/disk.ts'
import { writeAtomically, writeDurably } from '../system/durable-file.ts'
import { HeldDirectory } from '../system/held-path.ts'
import type { HeldPath } from '../system/held-path.ts'
import { readPlain, statPlace } from '../system/plain-file.ts'
import { KIB } from '../units.ts'
import { identityOf } from './identity.ts'
import type { RepositoryIdentity } from './identity.ts'

export const REPOSITORY_VERSION = 1

export interface RepositoryPaths {
  /** The directory, for people and for other processes. */
  readonly root: string
  readonly directory: HeldDirectory
  readonly config: HeldPath
  /** Held shared while objects are read or written, exclusively to remove some. */
  readonly objectsLock: HeldPath
  /** Held while waiting for the objects lock, so that a remover gets its turn. */
  readonly gateLock: HeldPath
  /** Held exclusively while an index, a commit or a ref is published. */
  readonly publishLock: HeldPath
  /** Replaced by every publication; what watchers look at. */
  readonly generation: HeldPath
  readonly packs: HeldPath
  readonly index: HeldPath
  readonly commits: HeldPath
  readonly refs: HeldPath
  readonly tags: HeldPath
  /** What pruning cut out of histories; see grafts.ts. */
  readonly grafts: HeldPath
  /** Objects found damaged; see quarantine.ts. */
  readonly quarantine: HeldPath
  /** Commits that something outside needs; see holds.ts. */
  readonly holds: HeldPath
  /** Moves of refs and tags; see operation-log.ts. */
  readonly operations: HeldPath
  /** News; see event-log.ts. */
  readonly events: HeldPath
  readonly cache: HeldPath
  readonly temporary: HeldPath
}

export const repositoryPaths = (directory: HeldDirectory): RepositoryPaths => ({
  root: directory.path,
  directory,
  config: directory.at('config.json'),
  objectsLock: directory.at('objects.lock'),
  gateLock: directory.at('gate.lock'),
  publishLock: directory.at('publish.lock'),
  generation: directory.at('generation'),
  packs: directory.at('packs'),
  index: directory.at('index'),
  commits: directory.at('commits'),
  refs: directory.at('refs'),
  tags: directory.at('tags'),
  grafts: directory.at('grafts'),
  quarantine: directory.at('quarantine'),
  holds: directory.at('holds'),
  operations: directory.at('operations'),
  events: directory.at('events'),
  cache: directory.at('cache'),
  temporary: directory.at('tmp'),
})

/** What is known of a repository once it is found. */
export interface FoundRepository {
  readonly paths: RepositoryPaths
  readonly config: RepositoryConfig
  readonly identity: RepositoryIdentity
}

export interface RepositoryConfig {
  readonly version: number
  /** A UUID; see identity.ts. */
  readonly id: string
}

/** The text of `config.json`: the checksum is over version and id. */
const encodeConfig = ({ version, id }: RepositoryConfig): Buffer => {
  const sum = crc32(Buffer.from(`${version} ${id}`))
  const value = { version, id, sum }
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** Trees hold what is for root alone: others come in when they are let in. */
const DIRECTORY_MODE = 0o700

/**
 * Makes an empty repository at `directory`, which may exist and be empty; one
 * that is made is for its owner alone. Returns its real path.
 * Errors: `REPOSITORY_EXISTS`, `TARGET_EXISTS`, system errors.
 */
export const createRepository = (directory: string): string => {
  try {
    const root = makeRoot(absolutePath(directory))
    const held = HeldDirectory.open(root)
    try {
      fillRepository(repositoryPaths(held))
    } finally {
      held.close()
    }
    syncDirectory(dirname(root))
    return root
  } catch (error) {
    throw wrapSystemError(`cannot make a repository in ${directory}`, error)
  }
}

/** The real path of a directory that is there and empty. */
const makeRoot = (directory: string): string => {
  if (!existsSync(directory)) {
    mkdirSync(dirname(directory), { recursive: true })
    mkdirSync(directory, DIRECTORY_MODE)
  }
  const names = readdirSync(directory)
  if (names.includes('config.json'))
    throw new DendroError(
      'REPOSITORY_EXISTS',
      `cannot make a repository in ${directory}: there is one already`,
      { hint: 'use it as it is, or name another directory' },
    )
  if (names.length > 0)
    throw new DendroError(
      'TARGET_EXISTS',
      `cannot make a repository in ${directory}: the directory is not empty`,
      { hint: 'name a new or an empty directory' },
    )
  return realpathSync(directory)
}

const fillRepository = (paths: RepositoryPaths): void => {
  const { packs, index, commits, refs, tags, cache, temporary } = paths
  for (const made of [packs, index, commits, refs, tags, cache, temporary])
    makeDirectory(made)
  const { objectsLock, gateLock, publishLock, generation } = paths
  for (const lock of [objectsLock, gateLock, publishLock])
    writeAtomically(lock, Buffer.alloc(0))
  writeAtomically(generation, Buffer.from('0\n'))
  // Last: a directory without it is no repository.
  const config = { version: REPOSITORY_VERSION, id: randomUUID() }
  writeDurably(paths.config, encodeConfig(config))
}

/** Longer than any `config.json` of this version; a newer one may say more. */
const MAX_CONFIG_BYTES = 64 * KIB

/**
 * Opens the directory of the repository at `directory` and reads what it is.
 * The caller closes `paths.directory`.
 * Errors: `NOT_A_REPOSITORY`, `FUTURE_FORMAT`, `CORRUPT_REPOSITORY`.
 */
export const findRepository = (directory: string): FoundRepository => {
  const held = openRoot(directory)
  try {
    const paths = repositoryPaths(held)
    const config = readConfig(paths, directory)
    for (const needed of [paths.packs, paths.index, paths.commits, paths.refs])
      if (statPlace(needed)?.isDirectory() !== true)
        throw new DendroError(
          'CORRUPT_REPOSITORY',
          `damaged repository ${directory}: ${needed.path} is missing, or is no directory`,
          { hint: 'restore it from a copy' },
        )
    return { paths, config, identity: identityOf(config.id, held.numbers) }
  } catch (error) {
    held.close()
    throw error
  }
}

const openRoot = (directory: string): HeldDirectory => {
  try {
    return HeldDirectory.open(realpathSync(absolutePath(directory)))
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR')
      throw notARepository(directory)
    if (errno === 'EACCES')
      throw new DendroError(
        'PERMISSION_DENIED',
        `cannot open the repository ${directory}: permission denied`,
        {
          cause: error,
          hint: 'its owner opens it to others with chmod go+rx',
          data: { errno },
        },
      )
    throw wrapSystemError(`cannot open the repository ${directory}`, error)
  }
}

const readConfig = (
  { config }: RepositoryPaths,
  directory: string,
): RepositoryConfig => {
  let text: string
  try {
    text = readPlain(config, MAX_CONFIG_BYTES).toString()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw notARepository(directory)
    throw wrapSystemError(`cannot open the repository ${directory}`, error)
  }
  return parseConfig(text, config.path)
}

const notARepository = (directory: string): DendroError =>
  new DendroError(
    'NOT_A_REPOSITORY',
    `no repository in ${directory}: it has no config.json`,
    {
      hint: 'name one with --repo or DENDRO_REPO, or make one: dendro init DIR',
    },
  )

const CONFIG = ofFormat(
  'version',
  REPOSITORY_VERSION,
  anObject({
    version: anInteger(1),
    id: aString(text => /^[0-9a-f-]{36}$/.test(text), 'a UUID'),
  }),
)

const parseConfig = (text: string, path: string): RepositoryConfig => {
  let why = 'sum is not that of the others'
  try {
    const config = parseJson(text, CONFIG)
    if (text === encodeConfig(config).toString()) return config
  } catch (error) {
    if (!(error instanceof BadJson)) throw error
    if (error.newer !== undefined)
      throw new DendroError(
        'FUTURE_FORMAT',
        `cannot open the repository: its format is version ${error.newer}, this program knows ${REPOSITORY_VERSION}`,
        { hint: 'install a newer dendro' },
      )
    why = error.message
  }
  throw new DendroError(
    'CORRUPT_REPOSITORY',
    `damaged repository: ${path} does not hold a version, an id and their checksum: ${why}`,
    { hint: 'restore the file from a copy' },
  )
}
