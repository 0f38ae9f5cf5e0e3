/**
 * Commits, one small file each: `commits/<64 hex digits>`.
 *
 * A commit is visible when its file is; it is written after the objects that
 * it names are durable. Files make listing, prefixes and removal trivial.
 */

import { DendroError, wrapSystemError } from '../errors.ts'
import { decodeCommit } from '../objects/commit.ts'
import type { Commit } from '../objects/commit.ts'
import { digestFromHex, digestOf, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { MAX_COMMIT_BYTES } from '../objects/limits.ts'
import { removeIfThere, writeDurably } from '../system/durable-file.ts'
import type { HeldPath } from '../system/held-path.ts'
import {
  listNames,
  sizeOfPlace,
  statPlace,
  tryReadPlain,
} from '../system/plain-file.ts'
import type { RepositoryPaths } from './layout.ts'
import type { Commits } from './object-store.ts'
import type { CommitUpkeep } from './upkeep-store.ts'

export class CommitStore implements Commits, CommitUpkeep {
  readonly #paths: RepositoryPaths

  constructor(paths: RepositoryPaths) {
    this.#paths = paths
  }

  /** Stores encoded commit bytes durably; a commit that is there stays. */
  put(bytes: Buffer): Digest {
    decodeCommit(bytes)
    const digest = digestOf(bytes)
    const path = this.#path(digest)
    if (statPlace(path) === undefined)
      writeDurably(path, bytes, {
        temporaryDirectory: this.#paths.temporary,
      })
    return digest
  }

  /** Replaces a damaged or missing commit by a good copy of its bytes. */
  restore(bytes: Buffer): void {
    decodeCommit(bytes)
    writeDurably(this.#path(digestOf(bytes)), bytes, {
      temporaryDirectory: this.#paths.temporary,
    })
  }

  has(digest: Digest): boolean {
    return statPlace(this.#path(digest)) !== undefined
  }

  /** The commit, or undefined. Errors: `CORRUPT_OBJECT`. */
  get(digest: Digest): Commit | undefined {
    let bytes: Buffer | undefined
    try {
      bytes = tryReadPlain(this.#path(digest), MAX_COMMIT_BYTES)
    } catch (error) {
      throw wrapSystemError(`cannot read commit ${digestToHex(digest)}`, error)
    }
    if (bytes === undefined) return undefined
    if (digestOf(bytes) !== digest)
      throw new DendroError(
        'CORRUPT_OBJECT',
        `damaged commit ${digestToHex(digest)}: its bytes have another digest`,
        { hint: 'dendro fsck --repair saves what it can' },
      )
    return decodeCommit(bytes)
  }

  /** The commit. Errors: `MISSING_OBJECT`, `CORRUPT_OBJECT`. */
  load(digest: Digest): Commit {
    const commit = this.get(digest)
    if (commit !== undefined) return commit
    throw new DendroError(
      'MISSING_OBJECT',
      `commit ${digestToHex(digest)} is missing: the repository names it but does not hold it`,
      { hint: 'dendro fsck --repair --from a repository that has it' },
    )
  }

  /** All that can be read: a damaged one is told to whoever asks for it. */
  *readable(): Generator<Commit, void, undefined> {
    for (const digest of this.list()) {
      try {
        // A commit may be pruned between the two.
        const commit = this.get(digest)
        if (commit !== undefined) yield commit
      } catch (error) {
        if (!(error instanceof DendroError)) throw error
      }
    }
  }

  /** Removes the file of a commit; the caller syncs `commits/`. */
  remove(digest: Digest): void {
    removeIfThere(this.#path(digest))
  }

  /** Bytes of the file of a commit. */
  fileBytes(digest: Digest): number {
    return sizeOfPlace(this.#path(digest))
  }

  /** Hex ids of all commits, sorted. */
  listHex(): string[] {
    return listNames(this.#paths.commits)
      .filter(name => digestFromHex(name) !== undefined)
      .sort()
  }

  list(): Digest[] {
    return this.listHex().map(hex => digestFromHex(hex) as Digest)
  }

  #path(digest: Digest): HeldPath {
    return this.#paths.commits.child(digestToHex(digest))
  }
}
