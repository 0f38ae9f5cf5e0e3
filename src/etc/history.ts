/**
 * The layers as they were: snapshots in a repository of their own.
 *
 * It is apart from the repository of the commits because it is private (a
 * layer holds /etc/shadow) and because nothing is ever pruned from it by the
 * rules for commits. A snapshot is a commit of the upper directory as it
 * stands, whiteouts and overlay xattrs included.
 */

import { chmodSync, existsSync } from 'node:fs'
import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import type { Commit } from '../objects/commit.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import type { FsObject } from '../objects/fs-object.ts'
import { toRefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { firstParents } from '../refs/revision.ts'
import { Repository } from '../store/repository.ts'
import { checkoutTree } from '../tree/checkout.ts'
import { commitDirectory } from '../tree/commit.ts'
import { lookUpPath } from '../tree/lookup.ts'
import { walkTree } from '../tree/walk.ts'
import { CommitDefaults } from './defaults.ts'
import { withMetadata } from './etc-node.ts'
import type { Maybe } from './etc-node.ts'

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

  /**
   * What stood at `path` (raw, relative to /etc) then, over `defaults` of the
   * commit that was below. `paths` are all that the layer said at or below it.
   */
  at(id: string, path: string, defaults: CommitDefaults): Maybe {
    const { repository, commit } = this.#load(id)
    const parts = path.split('/')
    for (let i = 1; i < parts.length; i++) {
      const above = lookUpPath(
        repository,
        commit.root,
        parts.slice(0, i).join('/'),
      )
      if (above === undefined) return defaults.get(path)
      if (above.kind !== 'directory') return undefined
    }
    const object = lookUpPath(repository, commit.root, path)
    if (object === undefined)
      return isHiddenAbove(repository, commit, parts)
        ? undefined
        : defaults.get(path)
    if (isWhiteout(object)) return undefined
    const node = new CommitDefaults(repository, commit.root).get(path)
    return node === undefined ? undefined : withoutOverlay(node)
  }

  /** Raw paths that the layer of a snapshot says something of. */
  paths(id: string): string[] {
    const { repository, commit } = this.#load(id)
    return [...walkTree(repository, commit.root)].map(({ path }) => path)
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

const isWhiteout = (object: FsObject): boolean =>
  object.kind === 'char' && object.major === 0 && object.minor === 0

/** Whether a directory above shows nothing of the defaults. */
const isHiddenAbove = (
  repository: Repository,
  commit: Commit,
  parts: readonly string[],
): boolean =>
  parts.slice(1).some((_, i) => {
    const above = lookUpPath(
      repository,
      commit.root,
      parts.slice(0, i + 1).join('/'),
    )
    return above?.xattrs.some(
      ({ name, value }) => name === 'trusted.overlay.opaque' && value === 'y',
    )
  })

const withoutOverlay = (node: NonNullable<Maybe>): NonNullable<Maybe> => {
  const xattrs = node.xattrs.filter(
    ({ name }) => !/^(?:trusted|user)\.overlay\./.test(name),
  )
  return xattrs.length === node.xattrs.length
    ? node
    : withMetadata(node, { ...node, xattrs })
}
