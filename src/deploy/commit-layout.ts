/** What a commit has that can be deployed: /usr, defaults for /etc, a kernel. */

import { DendroError } from '../errors.ts'
import type { Commit } from '../objects/commit.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type {
  DirectoryObject,
  FileObject,
  FsObject,
} from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { lookUpPath } from '../tree/lookup.ts'
import { readRange } from '../tree/read-file.ts'

export interface CommitLayout {
  readonly id: Digest
  readonly commit: Commit
  readonly root: DirectoryObject
  /** Where the defaults stand. */
  readonly defaultsPath: 'usr/etc' | 'etc'
  readonly defaults: DirectoryObject
}

/** Why a commit cannot be deployed. */
export const notDeployable = (
  id: Digest,
  why: string,
  hint: string,
): DendroError =>
  new DendroError(
    'NOT_DEPLOYABLE',
    `cannot deploy ${digestToHex(id).slice(0, 12)}: ${why}`,
    { hint },
  )

/**
 * Checks that a commit can be deployed. An empty /etc is a mount point and not
 * defaults. Errors: `NOT_DEPLOYABLE`, damage.
 */
export const inspectCommit = (
  repository: Repository,
  id: Digest,
): CommitLayout => {
  const commit = repository.commits.load(id)
  const { root } = commit
  if (lookUpPath(repository, root, 'usr')?.kind !== 'directory')
    throw notDeployable(
      id,
      'it has no directory /usr',
      'commit the root directory of a system, not a part of it',
    )
  const directory = (path: string): DirectoryObject | undefined => {
    const object = lookUpPath(repository, root, path)
    return object?.kind === 'directory' ? object : undefined
  }
  const vendor = directory('usr/etc')
  const plain = directory('etc')
  const isPlainUsed =
    plain !== undefined && repository.loadTree(plain.tree).entries.length > 0
  if (vendor !== undefined && isPlainUsed)
    throw notDeployable(
      id,
      'it has files in both /etc and /usr/etc, and only one of them can be the defaults',
      'move what is in /etc to /usr/etc in the tree and commit it again',
    )
  if (vendor !== undefined)
    return { id, commit, root, defaultsPath: 'usr/etc', defaults: vendor }
  if (plain !== undefined)
    return { id, commit, root, defaultsPath: 'etc', defaults: plain }
  throw notDeployable(
    id,
    'it has neither /usr/etc nor /etc',
    'put the default configuration into /usr/etc, were it empty',
  )
}

/** Symlinks that one path may lead over. */
const MAX_LINKS = 16

/** The object a path leads to, links followed inside the commit. */
export const followPath = (
  repository: Repository,
  root: DirectoryObject,
  path: string,
): FsObject | undefined => {
  const queue = path.split('/')
  const done: string[] = []
  let links = 0
  while (queue.length > 0) {
    const name = queue.shift() as string
    if (name === '' || name === '.') continue
    if (name === '..') {
      done.pop()
      continue
    }
    const object = lookUpPath(repository, root, [...done, name].join('/'))
    if (object === undefined) return undefined
    if (object.kind !== 'symlink') {
      done.push(name)
      continue
    }
    if (++links > MAX_LINKS) return undefined
    if (object.target.startsWith('/')) done.length = 0
    queue.unshift(...object.target.split('/'))
  }
  return lookUpPath(repository, root, done.join('/'))
}

/** The content of a file of a commit; undefined where there is none or it is too large. */
export const readFileOf = (
  repository: Repository,
  root: DirectoryObject,
  path: string,
  maxBytes: number,
): Buffer | undefined => {
  const object = followPath(repository, root, path)
  if (object?.kind !== 'file' || object.sizeBytes > maxBytes) return undefined
  return readFile(repository, object)
}

const readFile = (repository: Repository, file: FileObject): Buffer => {
  const bytes = Buffer.alloc(file.sizeBytes)
  readRange(repository, file, 0, file.sizeBytes, bytes)
  return bytes
}

const OS_RELEASE_BYTES = 64 * 1024

/** `ID` and the like of os-release(5). */
export const osRelease = (
  repository: Repository,
  root: DirectoryObject,
): ReadonlyMap<string, string> => {
  const places = ['usr/lib/os-release', 'etc/os-release', 'usr/etc/os-release']
  for (const place of places) {
    const text = readFileOf(repository, root, place, OS_RELEASE_BYTES)
    if (text === undefined) continue
    const values = new Map<string, string>()
    for (const line of text.toString().split('\n')) {
      const match = /^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line)
      if (match !== null)
        values.set(match[1] as string, match[2] ?? match[3] ?? match[4] ?? '')
    }
    return values
  }
  return new Map()
}
