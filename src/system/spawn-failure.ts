/** Why a program could not be started. */

import { errnoOf } from '../errors.ts'

/**
 * What kept `program` from being started, for the end of a message. Only ENOENT
 * says that it is not there: each other errno (execve(2), or of a descriptor
 * that could not be opened for it) is named.
 */
export const spawnFailure = (program: string, error: unknown): string => {
  const errno = errnoOf(error)
  if (errno === 'ENOENT') return `${program} is not installed`
  return `${program} cannot be started: ${errno ?? String(error)}`
}

/** Whether the program is not there; installing it helps then. */
export const isProgramMissing = (error: unknown): boolean =>
  errnoOf(error) === 'ENOENT'
