/**
 * Commits a directory to a ref.
 *
 * Order of publication: packs, index, commit, ref. Until the last rename the
 * ref names what it named before, whatever happens.
 */

import { wrapSystemError } from '../errors.ts'
import { checkMessage, encodeCommit } from '../objects/commit.ts'
import type { Commit, CommitSummary } from '../objects/commit.ts'
import type { Digest } from '../objects/digest.ts'
import { RefStore } from '../refs/ref-store.ts'
import type { NamedStore } from '../refs/ref-store.ts'
import type { RefName } from '../refs/ref-name.ts'
import type { WriterStatistics } from '../store/object-writer.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { OnWait } from '../system/lock.ts'
import { importTree } from './import.ts'
import type { ImportStore } from './importer.ts'
import type { ImportOptions } from './import-options.ts'
import { namingPath } from './source-error.ts'
import { nextVersion } from './version.ts'

export interface CommitRequest {
  readonly ref: RefName
  /** Raw absolute path of the directory. */
  readonly source: string
  readonly subject: string
  readonly body: string
  readonly metadata: ReadonlyMap<string, string>
  /** `--auto-version P`: the version after the parent's, or `P.0`. */
  readonly autoVersion?: string | undefined
  /** Seconds since 1970; the clock when undefined. */
  readonly timeSec?: number | undefined
  readonly onWait?: OnWait
}

/** A store that a directory can be committed to. */
export type CommitTarget = Pick<
  ObjectStore,
  'commits' | 'beginWrite' | 'publish'
> &
  ImportStore &
  NamedStore

export interface Committed {
  readonly id: Digest
  readonly commit: Commit
  readonly parent: Digest | undefined
  readonly summary: CommitSummary
  readonly filesRead: number
  readonly written: Readonly<WriterStatistics>
}

/** Errors: those of `importTree`; `LIMIT_EXCEEDED`, `REF_CONFLICT`, `NO_SPACE`. */
export const commitDirectory = async (
  repository: CommitTarget,
  request: CommitRequest,
  options: ImportOptions,
): Promise<Committed> => {
  checkRequest(request)
  const refs = new RefStore(repository.paths, 'refs')
  const before = refs.get(request.ref)
  const parentRoot =
    before === undefined ? undefined : repository.commits.load(before).root
  const writer = await repository.beginWrite(request.onWait)
  try {
    const imported = await importTree(repository, writer, request.source, {
      ...options,
      parentRoot,
    })
    const packs = await writer.finish()
    const published = await repository.publish(
      packs,
      () => {
        // Another process may have moved the ref meanwhile: it is the parent.
        const parent = refs.get(request.ref)
        const commit = makeCommit(repository, request, parent, imported)
        const bytes = namingPath(request.source, () => encodeCommit(commit))
        const id = repository.commits.put(bytes)
        refs.set(request.ref, id)
        return { id, commit, parent }
      },
      request.onWait,
    )
    imported.saveStatCache(published.id)
    return {
      ...published,
      summary: imported.summary,
      filesRead: imported.filesRead,
      written: writer.statistics,
    }
  } catch (error) {
    throw wrapSystemError('cannot commit', error)
  } finally {
    await writer.close()
  }
}

const makeCommit = (
  { commits }: Pick<ObjectStore, 'commits'>,
  request: CommitRequest,
  parent: Digest | undefined,
  imported: Pick<Commit, 'root' | 'summary'>,
): Commit => {
  const metadata = new Map(request.metadata)
  if (request.autoVersion !== undefined) {
    const previous =
      parent === undefined
        ? undefined
        : commits.load(parent).metadata.get('version')
    metadata.set('version', nextVersion(request.autoVersion, previous))
  }
  return {
    root: imported.root,
    parents: parent === undefined ? [] : [parent],
    timeSec: request.timeSec ?? Math.floor(Date.now() / 1000),
    subject: request.subject,
    body: request.body,
    metadata,
    summary: imported.summary,
  }
}

/** Errors: `LIMIT_EXCEEDED`, before anything is read. */
const checkRequest = (request: CommitRequest): void => {
  const metadata = new Map(request.metadata)
  if (request.autoVersion !== undefined)
    metadata.set('version', nextVersion(request.autoVersion, undefined))
  namingPath(request.source, () => checkMessage({ ...request, metadata }))
}
