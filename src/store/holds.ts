/**
 * Commits that something outside the repository needs: deployments and
 * instances. A prune keeps them whatever its rules say.
 *
 * One file per hold, which names a commit. A hold is made before what needs
 * it and removed after it: one left over by a crash keeps too much, never too
 * little, and its owner removes it.
 */

import { DendroError, errnoOf } from '../errors.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import {
  makeDirectoryDurably,
  removeDurably,
  writeDurably,
} from '../system/durable-file.ts'
import { listNamesIfThere, readPlain } from '../system/plain-file.ts'
import type { RepositoryPaths } from './layout.ts'

const MAX_HOLD_BYTES = 256

export interface Hold {
  readonly name: string
  readonly commit: Digest
}

/** Errors: `CORRUPT_REPOSITORY`. */
export const readHold = (paths: RepositoryPaths, name: string): Digest => {
  const path = paths.holds.child(name)
  const text = readPlain(path, MAX_HOLD_BYTES).toString('latin1')
  const commit = digestFromHex(text.trim())
  if (commit !== undefined) return commit
  throw new DendroError(
    'CORRUPT_REPOSITORY',
    `damaged hold ${name}: ${String(path)} does not hold a commit id`,
    { hint: 'write the id of the deployed commit there, or remove it' },
  )
}

/** Names of holds; their owner begins them with an id of its own. */
export const holdNames = (paths: RepositoryPaths): string[] =>
  listNamesIfThere(paths.holds).sort()

/** Errors: `CORRUPT_REPOSITORY`. */
export const listHolds = (paths: RepositoryPaths): Hold[] =>
  holdNames(paths).map(name => ({ name, commit: readHold(paths, name) }))

export const setHold = (
  paths: RepositoryPaths,
  name: string,
  commit: Digest,
): void => {
  makeDirectoryDurably(paths.holds)
  writeDurably(
    paths.holds.child(name),
    Buffer.from(`${digestToHex(commit)}\n`),
    {
      temporaryDirectory: paths.temporary,
    },
  )
}

/** That it is not there is well. */
export const removeHold = (paths: RepositoryPaths, name: string): void => {
  try {
    removeDurably(paths.holds.child(name))
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}
