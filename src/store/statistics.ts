/** How much a repository holds, and how much room that takes. */

import type { HeldPath } from '../system/held-path.ts'
import { listNames, sizeOfPlace } from '../system/plain-file.ts'
import type { Repository } from './repository.ts'

export interface RepositoryStatistics {
  readonly commits: number
  /** Sum over the commits of what each would take as plain files. */
  readonly logicalBytes: number
  /** Distinct objects: chunks, trees and extent lists. */
  readonly objects: number
  /** Their plain bytes, each once. */
  readonly uniqueBytes: number
  /** Bytes on disk of packs, indexes and commits. */
  readonly storedBytes: number
  readonly packs: number
  readonly indexes: number
}

const directoryBytes = (
  directory: HeldPath,
): { count: number; bytes: number } => {
  let count = 0
  let bytes = 0
  for (const name of listNames(directory)) {
    bytes += sizeOfPlace(directory.child(name))
    count++
  }
  return { count, bytes }
}

/** Reads every index entry: O(objects). */
export const repositoryStatistics = (
  repository: Repository,
): RepositoryStatistics => {
  const commits = repository.commits.list()
  let logicalBytes = 0
  for (const id of commits)
    logicalBytes += repository.commits.load(id).summary.logicalBytes
  const seen = new Set<string>()
  let uniqueBytes = 0
  for (const file of repository.indexes.files)
    for (const { digest, lengthBytes } of file.readAll()) {
      if (seen.has(digest)) continue
      seen.add(digest)
      uniqueBytes += lengthBytes
    }
  const packs = directoryBytes(repository.paths.packs)
  const indexes = directoryBytes(repository.paths.index)
  const commitFiles = directoryBytes(repository.paths.commits)
  return {
    commits: commits.length,
    logicalBytes,
    objects: seen.size,
    uniqueBytes,
    storedBytes: packs.bytes + indexes.bytes + commitFiles.bytes,
    packs: packs.count,
    indexes: indexes.count,
  }
}
