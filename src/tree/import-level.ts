/** A directory that an import is in: what was made of its entries so far. */

import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import { checkTreeBytes } from '../objects/tree.ts'
import type { Tree, TreeEntry } from '../objects/tree.ts'
import type { FileStatus } from '../system/file-status.ts'
import type { ScannedNode } from './scan.ts'
import type { CachedDirectory, DirectorySummary } from './stat-cache.ts'

export interface ImportedDirectory {
  /** Undefined: it is left out. */
  readonly object: DirectoryObject | undefined
  /** Nothing in it and below it changed since the last commit. */
  readonly isKept: boolean
}

export interface RecordedEntry extends ScannedNode {
  readonly object: FsObject
}

/** What is known of a directory before it is read. */
export type BegunDirectory = Pick<
  ImportLevel,
  'node' | 'path' | 'parent' | 'parentTree' | 'known' | 'cached' | 'summary'
>

export class ImportLevel {
  readonly node: ScannedNode
  /** Raw path below the root. */
  readonly path: string
  /** What stands there in the parent commit, for `--mtime=parent`. */
  readonly parent: FsObject | undefined
  readonly parentTree: Tree | undefined
  /** What the last commit made of the directory itself, if that did not change. */
  readonly known: FsObject | undefined
  readonly cached: CachedDirectory
  /** What the last commit made of it, while that may still be taken. */
  summary: DirectorySummary | undefined
  readonly entries: TreeEntry[] = []
  readonly records: RecordedEntry[] = []
  readonly counts = { files: 0, others: 0, logicalBytes: 0 }
  subdirectories = 0
  /** Directories in it that are done. */
  readonly #below = new Map<ScannedNode, ImportedDirectory>()
  #next = 0
  #bytes = 0

  constructor(begun: BegunDirectory) {
    this.node = begun.node
    this.path = begun.path
    this.parent = begun.parent
    this.parentTree = begun.parentTree
    this.known = begun.known
    this.cached = begun.cached
    this.summary = begun.summary
  }

  /**
   * The entry to do next; undefined at the end. While the summary may still be
   * taken, only directories come.
   */
  next(): ScannedNode | undefined {
    const children = this.node.children ?? []
    while (this.#next < children.length) {
      const child = children[this.#next++] as ScannedNode
      if (this.summary === undefined || child.children !== undefined)
        return child
    }
    return undefined
  }

  /** The directories in it changed: it is made anew, from the first entry on. */
  begin(): void {
    this.summary = undefined
    this.#next = 0
  }

  get isKeptBelow(): boolean {
    return [...this.#below.values()].every(({ isKept }) => isKept)
  }

  /** What was made of a directory in it. */
  below(node: ScannedNode): ImportedDirectory | undefined {
    return this.#below.get(node)
  }

  /** Takes what was made of a directory in it. */
  take(node: ScannedNode, made: ImportedDirectory): void {
    this.#below.set(node, made)
  }

  /** Adds an entry to the tree. Errors: `LIMIT_EXCEEDED`. */
  add(node: ScannedNode, status: FileStatus, object: FsObject): void {
    const { name } = node
    if (object.kind === 'directory') this.subdirectories++
    else countObject(this.counts, object)
    for (const { value } of object.xattrs) this.#bytes += value.length
    checkTreeBytes(this.#bytes)
    this.entries.push({ name, object })
    this.records.push({ ...node, status, object })
  }

  /** Whether all entries were committed. */
  get isWhole(): boolean {
    return this.records.length === (this.node.children ?? []).length
  }
}

/** Counts what is no directory. */
export const countObject = (
  counts: { files: number; others: number; logicalBytes: number },
  object: FsObject,
): void => {
  if (object.kind === 'file') {
    counts.files++
    counts.logicalBytes += object.sizeBytes
  } else counts.others++
}
