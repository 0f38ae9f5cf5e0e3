/**
 * Imports a directory into the store: scan, then content in walk order, then
 * trees from the leaves up (importer.ts).
 *
 * The life of a commit: docs/architecture.md
 */

import { lstatSync } from '../system/files.ts'
import { textToBytes } from '../bytes/byte-text.ts'
import type { CommitSummary } from '../objects/commit.ts'
import type { Digest } from '../objects/digest.ts'
import type { DirectoryObject } from '../objects/fs-object.ts'
import type { ObjectSink } from '../store/object-writer.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import { lstatBytes } from '../system/file-status.ts'
import { conditionsOf } from './import-options.ts'
import type { ImportOptions } from './import-options.ts'
import { Importer } from './importer.ts'
import type { ImportStore, ImportTarget } from './importer.ts'
import { openSource } from './open-source.ts'
import { inodeKey, scanTree } from './scan.ts'
import type { Scan } from './scan.ts'
import { originOf } from './stat-origin.ts'
import { StatCache, StatCacheWriter } from './stat-cache.ts'

export interface Imported {
  readonly root: DirectoryObject
  readonly summary: CommitSummary
  /** Files whose content was read; the others were known by their status. */
  readonly filesRead: number
  /** Directories that were not looked into: nothing in them changed. */
  readonly directoriesKept: number
  /** Remembers what was seen; call it once the commit is published. */
  readonly saveStatCache: (commit: Digest) => void
}

/**
 * Imports the directory `source` (raw absolute path) through `writer`.
 * Errors: those of `openSource` and `scanTree`; `SOURCE_CHANGED` for a file
 * that changes while it is read. Nothing is visible in the repository
 * afterwards.
 */
export const importTree = async (
  repository: ImportStore,
  writer: ObjectSink,
  source: string,
  options: ImportOptions,
): Promise<Imported> => {
  const root = openSource(source)
  try {
    return await importFrom(root, source, { repository, writer }, options)
  } finally {
    root.close()
  }
}

const importFrom = async (
  root: DirectoryHandle,
  path: string,
  target: ImportTarget,
  options: ImportOptions,
): Promise<Imported> => {
  const { repository } = target
  const scannedAt = clockNow()
  let seen = 0
  const progress = (phase: 'scan' | 'read', scan?: Scan) =>
    options.onProgress?.({
      phase,
      files: phase === 'scan' ? seen : importer.files,
      totalFiles: scan?.files ?? 0,
      bytes: phase === 'scan' ? 0 : importer.bytes,
      totalBytes: scan?.bytes ?? 0,
    })
  const scan = scanTree(root, path, {
    forbidden: forbiddenDirectories(repository),
    oneFileSystem: options.oneFileSystem ?? false,
    allowChanging: options.allowChanging ?? false,
    onSkipped: options.onSkipped,
    onEntry: () => {
      if (++seen % 512 === 0) progress('scan')
    },
  })
  const origin = originOf(root.fd)
  const cache =
    options.ignoreStatCache === true
      ? new StatCache()
      : StatCache.load(repository.paths.cache, path, origin)
  const cacheWriter = new StatCacheWriter(scannedAt, origin)
  const importer = new Importer(
    target,
    { root, path, scan, cache, cacheWriter },
    options,
    () => progress('read', scan),
  )
  return {
    root: await importer.importRoot(),
    summary: importer.summary(),
    filesRead: importer.filesRead,
    directoriesKept: importer.directoriesKept,
    saveStatCache: commit =>
      cacheWriter.save(
        repository.paths,
        path,
        commit,
        conditionsOf(options.mtime),
      ),
  }
}

const clockNow = () => {
  const now = Date.now()
  return { sec: Math.floor(now / 1000), nsec: (now % 1000) * 1_000_000 }
}

const forbiddenDirectories = (repository: ImportStore): Map<string, string> => {
  const forbidden = new Map<string, string>()
  let path = repository.paths.root
  forbidden.set(
    inodeKey(lstatBytes(textToBytes(path))),
    'the repository itself',
  )
  for (const inner of [
    'packs',
    'index',
    'commits',
    'refs',
    'tags',
    'cache',
    'tmp',
  ]) {
    path = `${repository.paths.root}/${inner}`
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
      forbidden.set(
        inodeKey(lstatBytes(textToBytes(path))),
        'inside the repository itself',
      )
  }
  return forbidden
}
