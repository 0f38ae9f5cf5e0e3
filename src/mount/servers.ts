/**
 * The servers of a repository, of any user and mount namespace that can be seen.
 *
 * What another user's runtime directory holds is that user's to decide: links,
 * pipes, a file system that does not answer, a socket that nobody answers. So
 * it is reached from a descriptor, across no link and no mount; nobody there is
 * waited for long, and nobody's silence stops a prune.
 */

import { closeSync, fstatSync, readdirSync } from '../system/files.ts'
import { DendroError } from '../errors.ts'
import { isSameRepository } from '../store/identity.ts'
import type { RepositoryIdentity } from '../store/identity.ts'
import { callerVariable } from '../system/caller.ts'
import { HeldDirectory, openDirectory } from '../system/held-path.ts'
import type { HeldPath } from '../system/held-path.ts'
import { listNames } from '../system/plain-file.ts'
import { effectiveUser } from '../system/root-user.ts'
import { askServer } from './control-client.ts'
import { isAlive, readState } from '../server/server-state.ts'
import { SHARED_BASE } from '../system/protocol.ts'

/** A directory, and where in it runtime directories are. */
interface Base {
  readonly root: string
  readonly inside: string
  /** Whether others than this user and root can have made what is in it. */
  readonly isForeign: boolean
}

const namesIn = (directory: string): string[] => {
  try {
    return readdirSync(directory)
  } catch {
    // Not there, or not ours to look into: nothing of ours is in it either.
    return []
  }
}

const bases = (): Base[] => {
  const own = callerVariable('XDG_RUNTIME_DIR')
  return [
    { root: SHARED_BASE, inside: '', isForeign: false },
    ...(own === undefined
      ? []
      : [{ root: own, inside: 'dendro', isForeign: false }]),
    ...namesIn('/run/user')
      .map(name => `/run/user/${name}`)
      .filter(root => root !== own)
      .map(root => ({ root, inside: 'dendro', isForeign: true })),
    ...namesIn('/tmp')
      .filter(name => name.startsWith('dendro-'))
      .map(inside => ({ root: '/tmp', inside, isForeign: true })),
  ]
}

interface RunningServer {
  /** Its runtime directory. */
  readonly place: HeldPath
  /** Whether it is root's or this user's own. */
  readonly isTrusted: boolean
}

/** Users who mean ill may leave any number of directories. */
const MAX_FOREIGN = 64

/**
 * Calls `work` with the servers of the repository that live. Those of older
 * programs do not say which of the repositories with one id they serve.
 */
const withServers = async <T>(
  repository: RepositoryIdentity,
  work: (servers: readonly RunningServer[]) => T | Promise<T>,
): Promise<T> => {
  const held: HeldDirectory[] = []
  const servers = bases().flatMap(({ root, inside, isForeign }) => {
    try {
      const directory = HeldDirectory.open(root, { crossesMounts: !isForeign })
      held.push(directory)
      return listNames(directory.at(inside))
        .filter(name => name.startsWith(`${repository.id}.`))
        .slice(0, isForeign ? MAX_FOREIGN : Infinity)
        .map(name => directory.at(inside).child(name))
        .flatMap(place => serverAt(place, repository) ?? [])
    } catch {
      // Not there, or not ours to look into.
      return []
    }
  })
  try {
    return await work(servers)
  } finally {
    for (const directory of held) directory.close()
  }
}

const serverAt = (
  place: HeldPath,
  repository: RepositoryIdentity,
): RunningServer | undefined => {
  const state = readState(place)
  if (state === undefined || !isAlive(state)) return undefined
  const { identity } = state
  if (identity !== undefined && !isSameRepository(identity, repository))
    return undefined
  const owner = ownerOf(place)
  return { place, isTrusted: owner === 0 || owner === effectiveUser() }
}

const ownerOf = (place: HeldPath): number => {
  const fd = openDirectory(place)
  try {
    return fstatSync(fd).uid
  } finally {
    closeSync(fd)
  }
}

/** Runtime directories of this user's and of root's servers that live. */
export const ownServers = (repository: RepositoryIdentity): Promise<string[]> =>
  withServers(repository, servers =>
    servers.filter(({ isTrusted }) => isTrusted).map(({ place }) => place.path),
  )

const TIMEOUT_MS = 30_000
const FOREIGN_TIMEOUT_MS = 5_000

/**
 * Those of `commits` (hex) that a mount of the repository uses. The others
 * cannot be entered through it until the next publication.
 * Errors: `SERVER_UNREACHABLE` for a server of this user or of root.
 */
export const commitsInUseByMounts = (
  repository: RepositoryIdentity,
  commits: readonly string[],
): Promise<string[]> =>
  withServers(repository, async servers => {
    const answers = await Promise.all(
      servers.map(server => commitsInUseBy(server, commits)),
    )
    const used = new Set(answers.flat())
    return commits.filter(hex => used.has(hex))
  })

const commitsInUseBy = async (
  { place, isTrusted }: RunningServer,
  commits: readonly string[],
): Promise<readonly string[]> => {
  const question = `in-use\t${commits.join('\t')}` as const
  const timeoutMs = isTrusted ? TIMEOUT_MS : FOREIGN_TIMEOUT_MS
  let why: string | undefined
  try {
    const reply = (await askServer(place, question, timeoutMs)) as {
      inUse?: readonly string[]
      error?: string
    }
    if (reply.inUse !== undefined) return [...reply.inUse].map(String)
    why = reply.error
  } catch (error) {
    if (isTrusted) throw error
  }
  // Its reads fail from now on; that is for its user alone.
  if (!isTrusted) return []
  throw new DendroError(
    'SERVER_UNREACHABLE',
    `cannot learn from the server in ${String(place)} what it uses: ${why ?? 'no answer'}`,
    { hint: 'dendro mount --reload brings it up to this program' },
  )
}
