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
import type { Digest } from '../objects/digest.ts'
import { toRefName } from '../refs/ref-name.ts'
import type { RefName } from '../refs/ref-name.ts'
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

/** What the history says of a layer. */
export interface LayerWords extends LayerOwner {
  /** As `layerFingerprint` makes it: layers with the same one are equal. */
  readonly fingerprint: string
  /** What is about to be done, or was just done. */
  readonly subject: string
}

/** A layer as it was. */
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

/** Where deployments that left are kept; no OS has such a name. */
const leftRef = (os: string): RefName => toRefName(`+left/${os}`)

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

  /** Commits of a ref, newest first. */
  *#commits(ref: RefName): Generator<{ id: Digest; commit: Commit }> {
    const repository = this.#open()
    const tip = repository && new RefStore(repository.paths, 'refs').get(ref)
    if (tip !== undefined) yield* firstParents(repository as Repository, tip)
  }

  /** Newest first. */
  list(os: string): Snapshot[] {
    return Array.from(this.#commits(toRefName(os)), ({ id, commit }) =>
      toSnapshot(digestToHex(id), commit),
    )
  }

  /**
   * Takes a snapshot of the layer in `upper`, unless the newest one of the same
   * deployment is equal; its id.
   */
  async take(upper: string, what: LayerWords): Promise<string> {
    for (const { id, commit } of this.#commits(toRefName(what.os))) {
      const known = toSnapshot(digestToHex(id), commit)
      if (known.deployment !== what.deployment) continue
      if (known.fingerprint === what.fingerprint) return known.id
      break
    }
    return this.#commit(toRefName(what.os), upper, what)
  }

  async #commit(
    ref: RefName,
    directory: string,
    { deployment, commit, fingerprint, subject }: LayerWords,
  ): Promise<string> {
    const metadata = new Map([
      [KEYS.deployment, deployment],
      [KEYS.commit, commit],
      [KEYS.fingerprint, fingerprint],
    ])
    const { id } = await commitDirectory(
      this.#create(),
      { ref, source: textToLatin1(directory), subject, body: '', metadata },
      { mtime: { kind: 'exact' }, allowChanging: true },
    )
    return digestToHex(id)
  }

  /** Keeps the directory of a deployment that leaves, with all that is in it. */
  async keepWhole(
    directory: string,
    what: Omit<LayerWords, 'fingerprint'>,
  ): Promise<void> {
    const ref = leftRef(what.os)
    await this.#commit(ref, directory, { ...what, fingerprint: '' })
  }

  /** Names of deployments that left, newest first. */
  listLeft(os: string): string[] {
    return Array.from(
      this.#commits(leftRef(os)),
      ({ id, commit }) => toSnapshot(digestToHex(id), commit).deployment,
    )
  }

  /** Writes what `keepWhole` kept last of a deployment; false when it kept nothing. */
  restoreWhole(owner: LayerOwner, directory: string): boolean {
    for (const { commit } of this.#commits(leftRef(owner.os))) {
      if (commit.metadata.get(KEYS.deployment) !== owner.deployment) continue
      const repository = this.#open() as Repository
      checkoutTree(repository, commit.root, textToLatin1(directory))
      return true
    }
    return false
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
