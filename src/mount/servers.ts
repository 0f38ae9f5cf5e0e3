/** The servers of a repository, of any user and mount namespace that can be seen. */

import { existsSync, readdirSync } from '../system/files.ts'
import { join } from 'node:path'
import { DendroError } from '../errors.ts'
import { callerVariable } from '../system/caller.ts'
import { askServer } from './control-client.ts'
import { isAlive, readState } from './server-state.ts'

const list = (directory: string): string[] => {
  try {
    return readdirSync(directory).map(name => join(directory, name))
  } catch {
    // Not there, or not ours to look into: nothing of ours is in it either.
    return []
  }
}

/** Runtime directories of servers that live. */
export const runningServers = (repositoryId: string): string[] => {
  const runtime = callerVariable('XDG_RUNTIME_DIR')
  const bases = [
    '/run/dendro',
    ...list('/run/user').map(path => join(path, 'dendro')),
    ...list('/tmp').filter(path => path.startsWith('/tmp/dendro-')),
    ...(runtime === undefined ? [] : [join(runtime, 'dendro')]),
  ]
  return [...new Set(bases.flatMap(list))].filter(directory => {
    const name = directory.slice(directory.lastIndexOf('/') + 1)
    if (!name.startsWith(`${repositoryId}.`) || !existsSync(directory))
      return false
    const state = readState(directory)
    return state !== undefined && isAlive(state)
  })
}

const TIMEOUT_MS = 30_000

/**
 * Those of `commits` (hex) that a mount of the repository uses. The others
 * cannot be entered through it until the next publication.
 * Errors: `SERVER_UNREACHABLE`.
 */
export const commitsInUseByMounts = async (
  repositoryId: string,
  commits: readonly string[],
): Promise<string[]> => {
  const used = new Set<string>()
  for (const directory of runningServers(repositoryId)) {
    const question = `in-use\t${commits.join('\t')}` as const
    const reply = (await askServer(directory, question, TIMEOUT_MS)) as {
      inUse?: readonly string[]
      error?: string
    }
    if (reply.inUse === undefined)
      throw new DendroError(
        'SERVER_UNREACHABLE',
        `cannot learn from the server in ${directory} what it uses: ${reply.error ?? 'no answer'}`,
        { hint: 'dendro mount reload brings it up to this program' },
      )
    for (const hex of reply.inUse) used.add(hex)
  }
  return [...used]
}
