/**
 * The layers as they were: snapshots in a repository of their own.
 *
 * It is apart from the repository of the commits because it is private (a
 * layer holds /etc/shadow) and because nothing is ever pruned from it by the
 * rules for commits. A snapshot is a commit of the upper directory as it
 * stands, whiteouts and overlay xattrs included.
 */

import { chmodSync, existsSync } from '../system/files.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import type { Commit } from '../objects/commit.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import { toRefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { firstParents } from '../refs/revision.ts'
import { Repository } from '../store/repository.ts'
import { checkoutTree } from '../tree/checkout.ts'
import { commitDirectory } from '../tree/commit.ts'
import { CommitDefaults } from './defaults.ts'
import { committedSource } from './layer.ts'
import type { LayerSource } from './layer.ts'

/** What a layer belongs to. */
export interface LayerOwner {
  readonly os: string
  /** Name of the deployment. */
  readonly deployment: string
  /** The commit whose defaults are below the layer, in hex. */
  readonly commit: string
}

export interface Snapshot {
  /** Commit id in the history, in hex. */
  readonly id: string
  readonly timeSec: number
  /** What was about to be done, or was just done. */
  readonly subject: string
  readonly deployment: string
  readonly commit: string
  readonly fingerprint: string
}

const KEYS = {
  deployment: 'deployment',
  commit: 'commit',
  fingerprint: 'fingerprint',
} as const

export class LayerHistory {
  readonly #path: string
  #repository: Repository | undefined

  /** `path` is the repository; it is made when the first snapshot is taken. */
  constructor(path: string) {
    this.#path = path
  }

  #open(): Repository | undefined {
    if (this.#repository === undefined && existsSync(this.#path))
      this.#repository = Repository.open(this.#path)
    return this.#repository
  }

  #create(): Repository {
    const known = this.#open()
    if (known !== undefined) return known
    const made = Repository.create(this.#path)
    chmodSync(this.#path, 0o700)
    this.#repository = made
    return made
  }

  close(): void {
    this.#repository?.close()
    this.#repository = undefined
  }

  /** Newest first. */
  list(os: string): Snapshot[] {
    const repository = this.#open()
    if (repository === undefined) return []
    const tip = new RefStore(repository.paths, 'refs').get(toRefName(os))
    if (tip === undefined) return []
    return [...firstParents(repository, tip)].map(({ id, commit }) =>
      toSnapshot(digestToHex(id), commit),
    )
  }

  /**
   * Takes a snapshot of the layer in `upper`, unless the last one of the same
   * deployment is equal; its id.
   */
  async take(
    owner: LayerOwner,
    upper: string,
    fingerprint: string,
    subject: string,
  ): Promise<string> {
    const last = this.list(owner.os)[0]
    if (
      last?.deployment === owner.deployment &&
      last.fingerprint === fingerprint
    )
      return last.id
    const { id } = await commitDirectory(
      this.#create(),
      {
        ref: toRefName(owner.os),
        source: textToLatin1(upper),
        subject,
        body: '',
        metadata: new Map([
          [KEYS.deployment, owner.deployment],
          [KEYS.commit, owner.commit],
          [KEYS.fingerprint, fingerprint],
        ]),
      },
      { mtime: { kind: 'exact' }, allowChanging: true },
    )
    return digestToHex(id)
  }

  #load(id: string): { repository: Repository; commit: Commit } {
    const repository = this.#open()
    const digest = digestFromHex(id)
    if (repository === undefined || digest === undefined)
      throw new DendroError('NOT_FOUND', `there is no snapshot ${id}`, {
        hint: 'dendro etc log lists the snapshots',
      })
    return { repository, commit: repository.commits.load(digest) }
  }

  snapshot(id: string): Snapshot {
    return toSnapshot(id, this.#load(id).commit)
  }

  /** The layer of a snapshot, to be read as the directory that it was. */
  layer(id: string): LayerSource {
    const { repository, commit } = this.#load(id)
    return committedSource(new CommitDefaults(repository, commit.root))
  }

  /** Writes the layer of a snapshot out again, exactly. */
  restoreLayer(id: string, upper: string): void {
    const { repository, commit } = this.#load(id)
    checkoutTree(repository, commit.root, textToLatin1(upper))
  }
}

const toSnapshot = (id: string, commit: Commit): Snapshot => ({
  id,
  timeSec: commit.timeSec,
  subject: commit.subject,
  deployment: commit.metadata.get(KEYS.deployment) ?? '',
  commit: commit.metadata.get(KEYS.commit) ?? '',
  fingerprint: commit.metadata.get(KEYS.fingerprint) ?? '',
})
