/**
 * Where things stand in a repository directory, and how one is made and opened.
 *
 * Format: docs/formats/repository.md
 */

import { absolutePath } from '../system/caller.ts'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  statSync,
  writeFileSync,
} from '../system/files.ts'
import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { crc32 } from '../bytes/crc32.ts'
import { DendroError, wrapSystemError } from '../errors.ts'
import { syncDirectory } from '../system/disk.ts'
import { writeDurably } from '../system/durable-file.ts'

export const REPOSITORY_VERSION = 1

export interface RepositoryPaths {
  readonly root: string
  readonly config: string
  /** Held shared while objects are read or written, exclusively to remove some. */
  readonly objectsLock: string
  /** Held while waiting for the objects lock, so that a remover gets its turn. */
  readonly gateLock: string
  /** Held exclusively while an index, a commit or a ref is published. */
  readonly publishLock: string
  /** Replaced by every publication; what watchers look at. */
  readonly generation: string
  readonly packs: string
  readonly index: string
  readonly commits: string
  readonly refs: string
  readonly tags: string
  /** What pruning cut out of histories; see grafts.ts. */
  readonly grafts: string
  /** Objects found damaged; see quarantine.ts. */
  readonly quarantine: string
  /** Commits that something outside needs; see holds.ts. */
  readonly holds: string
  /** Moves of refs and tags; see operation-log.ts. */
  readonly operations: string
  /** News; see event-log.ts. */
  readonly events: string
  readonly cache: string
  readonly temporary: string
}

export const repositoryPaths = (root: string): RepositoryPaths => ({
  root,
  config: join(root, 'config.json'),
  objectsLock: join(root, 'objects.lock'),
  gateLock: join(root, 'gate.lock'),
  publishLock: join(root, 'publish.lock'),
  generation: join(root, 'generation'),
  packs: join(root, 'packs'),
  index: join(root, 'index'),
  commits: join(root, 'commits'),
  refs: join(root, 'refs'),
  tags: join(root, 'tags'),
  grafts: join(root, 'grafts'),
  quarantine: join(root, 'quarantine'),
  holds: join(root, 'holds'),
  operations: join(root, 'operations'),
  events: join(root, 'events'),
  cache: join(root, 'cache'),
  temporary: join(root, 'tmp'),
})

export interface RepositoryConfig {
  readonly version: number
  /** A UUID; names the mount's runtime directory. */
  readonly id: string
}

/** The text of `config.json`: the checksum is over version and id. */
const encodeConfig = ({ version, id }: RepositoryConfig): Buffer => {
  const sum = crc32(Buffer.from(`${version} ${id}`))
  const value = { version, id, sum }
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)
}

/**
 * Makes an empty repository at `directory`, which may exist and be empty.
 * Errors: `REPOSITORY_EXISTS`, `TARGET_EXISTS`, system errors.
 */
export const createRepository = (directory: string): RepositoryPaths => {
  const paths = repositoryPaths(absolutePath(directory))
  if (existsSync(paths.config))
    throw new DendroError(
      'REPOSITORY_EXISTS',
      `cannot make a repository in ${directory}: there is one already`,
      { hint: 'use it as it is, or name another directory' },
    )
  try {
    mkdirSync(paths.root, { recursive: true })
    if (readdirSync(paths.root).length > 0)
      throw new DendroError(
        'TARGET_EXISTS',
        `cannot make a repository in ${directory}: the directory is not empty`,
        { hint: 'name a new or an empty directory' },
      )
    const { packs, index, commits, refs, tags, cache, temporary } = paths
    for (const made of [packs, index, commits, refs, tags, cache, temporary])
      mkdirSync(made)
    writeFileSync(paths.objectsLock, '')
    writeFileSync(paths.gateLock, '')
    writeFileSync(paths.publishLock, '')
    writeFileSync(paths.generation, '0\n')
    // Last: a directory without it is no repository.
    const config = { version: REPOSITORY_VERSION, id: randomUUID() }
    writeDurably(paths.config, encodeConfig(config))
    syncDirectory(dirname(paths.root))
  } catch (error) {
    throw wrapSystemError(`cannot make a repository in ${directory}`, error)
  }
  return paths
}

/**
 * The paths and the configuration of the repository at `directory`.
 * Errors: `NOT_A_REPOSITORY`, `FUTURE_FORMAT`, `CORRUPT_REPOSITORY`.
 */
export const findRepository = (
  directory: string,
): { paths: RepositoryPaths; config: RepositoryConfig } => {
  const paths = repositoryPaths(absolutePath(directory))
  if (!existsSync(paths.config)) throw notARepository(directory)
  const real = repositoryPaths(realpathSync(paths.root))
  const text = readFileSync(real.config, 'utf8')
  const config = parseConfig(text, real.config)
  for (const needed of [real.packs, real.index, real.commits, real.refs])
    if (!statSync(needed, { throwIfNoEntry: false })?.isDirectory())
      throw new DendroError(
        'CORRUPT_REPOSITORY',
        `damaged repository ${directory}: ${needed} is missing`,
        { hint: 'restore it from a copy' },
      )
  return { paths: real, config }
}

const notARepository = (directory: string): DendroError =>
  new DendroError(
    'NOT_A_REPOSITORY',
    `no repository in ${directory}: it has no config.json`,
    {
      hint: 'name one with --repo or DENDRO_REPO, or make one: dendro init DIR',
    },
  )

const parseConfig = (text: string, path: string): RepositoryConfig => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Reported below with the path, as any other shape that is not ours.
  }
  const { version, id } = (value ?? {}) as Record<string, unknown>
  if (typeof version === 'number' && version > REPOSITORY_VERSION)
    throw new DendroError(
      'FUTURE_FORMAT',
      `cannot open the repository: its format is version ${version}, this program knows ${REPOSITORY_VERSION}`,
      { hint: 'install a newer dendro' },
    )
  if (
    version === REPOSITORY_VERSION &&
    typeof id === 'string' &&
    /^[0-9a-f-]{36}$/.test(id) &&
    text === encodeConfig({ version, id }).toString()
  )
    return { version, id }
  throw new DendroError(
    'CORRUPT_REPOSITORY',
    `damaged repository: ${path} does not hold a version, an id and their checksum`,
    { hint: 'restore the file from a copy' },
  )
}
