/**
 * Imports what was scanned: content in walk order, then trees from the leaves
 * up. What the stat cache knows is not read, and where nothing changed below a
 * directory, it is not even looked at. The way down is a list and not the
 * stack.
 */

import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { checkFsObject } from '../objects/check-object.ts'
import { checkXattrNames } from '../objects/commit.ts'
import type { CommitSummary } from '../objects/commit.ts'
import type { Digest } from '../objects/digest.ts'
import type {
  DirectoryObject,
  FsObject,
  Metadata,
  Xattr,
} from '../objects/fs-object.ts'
import { encodeTree } from '../objects/tree.ts'
import type { Tree, TreeEntry } from '../objects/tree.ts'
import type { ObjectSink } from '../store/object-writer.ts'
import { listQuarantine } from '../store/quarantine.ts'
import type { RepositoryPaths } from '../store/layout.ts'
import type { ExtentLoader, TreeLoader } from '../store/object-reader.ts'
import type { CommitReader } from '../store/object-store.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import type { FileStatus } from '../system/file-status.ts'
import { contentOf, EntryReader, makeObject } from './entry-reader.ts'
import { conditionsOf } from './import-options.ts'
import type { ImportOptions } from './import-options.ts'
import { countObject, ImportLevel } from './import-level.ts'
import type { ImportedDirectory } from './import-level.ts'
import { applyMtimePolicy } from './mtime-policy.ts'
import { joinRaw, rawPathBelow } from './raw-path.ts'
import { inodeKey } from './scan.ts'
import type { Scan, ScannedNode } from './scan.ts'
import { SourceDirectories } from './source-directories.ts'
import { namingPath, sourceError } from './source-error.ts'
import { isRegular, SourcePrefetch } from './source-prefetch.ts'
import type {
  DirectorySummary,
  StatCache,
  StatCacheWriter,
} from './stat-cache.ts'
import { MIB } from '../units.ts'

/** Encoding room that is kept from one directory to the next. */
const KEPT_ENCODER_BYTES = 16 * MIB

/** An entry as it was committed. */
interface ImportedEntry {
  /** When it was read, or scanned. */
  readonly status: FileStatus
  readonly object: FsObject
}

/** What an import reads from and where it remembers what it saw. */
export interface ImportSource {
  readonly root: DirectoryHandle
  /** Raw path of it. */
  readonly path: string
  readonly scan: Scan
  readonly cache: StatCache
  readonly cacheWriter: StatCacheWriter
}

/** What an import looks up of what is stored already. */
export interface ImportStore extends TreeLoader, ExtentLoader {
  readonly commits: Pick<CommitReader, 'has'>
  /** Where it is, which is not imported, and where it keeps what was seen. */
  readonly paths: Pick<
    RepositoryPaths,
    'root' | 'cache' | 'quarantine' | 'temporary'
  >
}

/** Where it goes. */
export interface ImportTarget {
  readonly repository: ImportStore
  readonly writer: ObjectSink
}

export class Importer {
  files = 0
  bytes = 0
  directoriesKept = 0
  readonly #repository: ImportStore
  readonly #writer: ObjectSink
  readonly #source: ImportSource
  readonly #options: ImportOptions
  readonly #report: () => void
  readonly #linked = new Map<string, ImportedEntry>()
  readonly #counts = { files: 0, directories: 0, others: 0, logicalBytes: 0 }
  readonly #xattrNames = new Set<string>()
  readonly #levels: ImportLevel[] = []
  readonly #directories: SourceDirectories
  readonly #reader: EntryReader
  /** Whether directories in which nothing changed are not looked into. */
  readonly #keepsTrees: boolean
  /** Where nearly everything will be read: nothing is known of the files. */
  readonly #prefetch: SourcePrefetch | undefined
  #encoder = new MsgpackWriter(1 << 16)

  constructor(
    { repository, writer }: ImportTarget,
    source: ImportSource,
    options: ImportOptions,
    report: () => void,
  ) {
    this.#repository = repository
    this.#writer = writer
    this.#source = source
    this.#options = options
    this.#report = report
    this.#directories = new SourceDirectories(source.root, source.path)
    this.#reader = new EntryReader(writer, {
      allowChanging: options.allowChanging ?? false,
      onBytes: count => {
        this.bytes += count
        report()
      },
    })
    this.#keepsTrees = this.#canKeepTrees()
    this.#prefetch = source.cache.isEmpty
      ? new SourcePrefetch(source.root.fd, source.scan.root)
      : undefined
  }

  get filesRead(): number {
    return this.#reader.filesRead
  }

  /**
   * All objects of a commit are stored as long as it is there and none of them
   * was found damaged. With --mtime=parent trees also depend on the parent.
   */
  #canKeepTrees(): boolean {
    const { mtime } = this.#options
    if (mtime.kind === 'parent') return false
    const commit = this.#source.cache.commitUnder(conditionsOf(mtime))
    return (
      commit !== undefined &&
      this.#repository.commits.has(commit) &&
      listQuarantine(this.#repository.paths).size === 0
    )
  }

  async importRoot(): Promise<DirectoryObject> {
    const { root } = this.#source.scan
    try {
      this.#enter(root, '', this.#options.parentRoot, undefined)
      for (;;) {
        const made = await this.#step()
        if (made?.object !== undefined) return made.object
      }
    } finally {
      this.#directories.close()
      await this.#prefetch?.close()
    }
  }

  summary(): CommitSummary {
    return { ...this.#counts, xattrNames: [...this.#xattrNames].sort() }
  }

  /** Does the next entry of the directory it is in; what the root became. */
  async #step(): Promise<ImportedDirectory | undefined> {
    const level = this.#levels.at(-1) as ImportLevel
    const child = level.next()
    if (child !== undefined) {
      await this.#child(level, child)
      return undefined
    }
    if (level.summary === undefined) return this.#leave(this.#finish(level))
    if (level.isKeptBelow) return this.#leave(this.#keep(level))
    level.begin()
    return undefined
  }

  async #child(level: ImportLevel, child: ScannedNode): Promise<void> {
    const path = joinRaw(level.path, child.name)
    if (level.summary !== undefined) {
      this.#enter(child, path, undefined, undefined)
      return
    }
    const parent = level.parentTree?.get(child.name)?.object
    const known = level.cached.find(child.name, child.status)
    if (child.children === undefined) {
      const entry = await this.#entry(child, path, parent, known)
      if (entry !== undefined) this.#add(level, child, path, entry)
      return
    }
    const below = level.below(child)
    if (below === undefined) this.#enter(child, path, parent, known)
    else this.#addDirectory(level, child, below)
  }

  #enter(
    node: ScannedNode,
    path: string,
    parent: FsObject | undefined,
    known: FsObject | undefined,
  ): void {
    const cached = this.#source.cache.directory(path)
    const summary = this.#keepsTrees
      ? cached.summary(node.status, node.children ?? [])
      : undefined
    const isStored =
      summary !== undefined && this.#writer.has(summary.object.tree)
    if (path !== '') this.#directories.enter(node)
    this.#levels.push(
      new ImportLevel({
        node,
        path,
        parent,
        parentTree: this.#parentTree(parent),
        known,
        cached,
        summary: isStored ? summary : undefined,
      }),
    )
  }

  /** Goes up with what a directory became; returns it at the root. */
  #leave(made: ImportedDirectory): ImportedDirectory | undefined {
    const { node, path } = this.#levels.pop() as ImportLevel
    const above = this.#levels.at(-1)
    if (above === undefined) return made
    try {
      this.#directories.leave()
    } catch (error) {
      throw sourceError(this.#full(path), error)
    }
    above.take(node, made)
    if (above.summary === undefined) this.#addDirectory(above, node, made)
    return undefined
  }

  #addDirectory(
    level: ImportLevel,
    node: ScannedNode,
    { object }: ImportedDirectory,
  ): void {
    const path = joinRaw(level.path, node.name)
    const { status } = node
    if (object !== undefined) this.#add(level, node, path, { status, object })
  }

  #add(
    level: ImportLevel,
    node: ScannedNode,
    path: string,
    { status, object }: ImportedEntry,
  ): void {
    namingPath(this.#full(path), () => checkFsObject(object))
    namingPath(this.#full(level.path), () => level.add(node, status, object))
  }

  /** A directory of which all entries are done. */
  #finish(level: ImportLevel): ImportedDirectory {
    const { node, path, entries, records, counts, subdirectories } = level
    const metadata = this.#directoryMetadata(level)
    if (metadata === undefined) return { object: undefined, isKept: false }
    const tree = namingPath(this.#full(path), () => this.#addTree(entries))
    this.#counts.directories++
    const plain: DirectoryObject = {
      kind: 'directory',
      ...metadata,
      tree,
      subdirectories,
    }
    const { mtime } = this.#options
    const object = applyMtimePolicy(
      mtime,
      plain,
      level.parent,
    ) as DirectoryObject
    const names = [object, ...entries.map(entry => entry.object)].flatMap(
      ({ xattrs }) => xattrs.map(({ name }) => name),
    )
    const summary = { object, ...counts, xattrNames: [...new Set(names)] }
    this.#source.cacheWriter.addDirectory(
      path,
      node.status,
      records,
      level.isWhole ? summary : undefined,
    )
    return { object, isKept: false }
  }

  #addTree(entries: readonly TreeEntry[]): Digest {
    const tree = this.#writer.add('meta', encodeTree(entries, this.#encoder))
    if (this.#encoder.lengthBytes > KEPT_ENCODER_BYTES)
      this.#encoder = new MsgpackWriter(1 << 16)
    return tree
  }

  /** Of the directory itself; undefined when it is left out. */
  #directoryMetadata({ node, path, known }: ImportLevel): Metadata | undefined {
    const { mode, uid, gid, mtimeSec, mtimeNsec } = node.status
    const xattrs =
      known?.xattrs ??
      this.#reading(path, () =>
        this.#reader.xattrsOf(this.#directories.open().fd),
      )
    if (xattrs === undefined) return undefined
    this.#noteXattrs(path, xattrs)
    return { mode, uid, gid, mtimeSec, mtimeNsec, xattrs }
  }

  /** Errors: `LIMIT_EXCEEDED` where `path` has one name too many. */
  #noteXattrs(path: string, xattrs: readonly Xattr[]): void {
    if (xattrs.length === 0) return
    const names = this.#xattrNames
    for (const { name } of xattrs) names.add(name)
    namingPath(this.#full(path), () => checkXattrNames(names.size))
  }

  /** A directory in which nothing changed. */
  #keep({ path, cached, summary }: ImportLevel): ImportedDirectory {
    const { object, files, others, logicalBytes, xattrNames } =
      summary as DirectorySummary
    this.#source.cacheWriter.keepDirectory(path, cached)
    this.directoriesKept++
    this.#counts.directories++
    this.#counts.files += files
    this.#counts.others += others
    this.#counts.logicalBytes += logicalBytes
    for (const name of xattrNames) this.#xattrNames.add(name)
    this.files += files
    this.bytes += logicalBytes
    this.#report()
    return { object, isKept: true }
  }

  #parentTree(parent: FsObject | undefined): Tree | undefined {
    if (this.#options.mtime.kind !== 'parent') return undefined
    return parent?.kind === 'directory'
      ? this.#repository.loadTree(parent.tree)
      : undefined
  }

  /** What is no directory, or undefined when it is left out. */
  async #entry(
    node: ScannedNode,
    path: string,
    parent: FsObject | undefined,
    known: FsObject | undefined,
  ): Promise<ImportedEntry | undefined> {
    if (isRegular(node)) this.#prefetch?.advance()
    const key = node.status.nlink > 1 ? inodeKey(node.status) : ''
    const seen = this.#linked.get(key)
    if (seen !== undefined) return seen
    const read = await this.#readEntry(node, path, known)
    if (read === undefined) return undefined
    const { status, object } = read
    this.#noteXattrs(path, object.xattrs)
    if (object.kind === 'file') this.files++
    countObject(this.#counts, object)
    const dated = applyMtimePolicy(this.#options.mtime, object, parent)
    const entry = { status, object: dated }
    if (key !== '') this.#linked.set(key, entry)
    this.#report()
    return entry
  }

  async #readEntry(
    node: ScannedNode,
    path: string,
    known: FsObject | undefined,
  ): Promise<ImportedEntry | undefined> {
    const { name, status } = node
    const full = this.#full(path)
    const { links } = this.#source.scan
    if (known !== undefined && this.#isStored(known)) {
      this.bytes += known.kind === 'file' ? known.sizeBytes : 0
      const object = makeObject(full, status, contentOf(known), links)
      return { status, object }
    }
    this.#source.cacheWriter.beginReading()
    try {
      const directory = this.#directories.open()
      const read = await this.#reader.read(directory, name, status, full)
      const object = makeObject(full, read.status, read.content, links)
      return { status: read.status, object }
    } catch (error) {
      return this.#leaveOut(path, error)
    }
  }

  #reading<T>(path: string, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      return this.#leaveOut(path, error)
    }
  }

  /** Throws why `path` cannot be read, unless what changes is left out. */
  #leaveOut(path: string, error: unknown): undefined {
    const wrapped = sourceError(this.#full(path), error)
    const isAllowed =
      wrapped.code === 'SOURCE_CHANGED' &&
      this.#options.allowChanging === true &&
      path !== ''
    if (!isAllowed) throw wrapped
    this.#options.onSkipped?.(path, wrapped.message)
    return undefined
  }

  /** Objects may have been pruned since the cache was written. */
  #isStored(object: FsObject): boolean {
    if (object.kind !== 'file') return object.kind !== 'directory'
    const { content } = object
    const has = (digest: Digest | undefined) =>
      digest === undefined || this.#writer.has(digest)
    if (typeof content !== 'string')
      return content.every(({ chunk }) => has(chunk))
    if (!has(content)) return false
    return this.#repository.loadExtents(object).every(({ chunk }) => has(chunk))
  }

  #full(path: string): string {
    return rawPathBelow(this.#source.path, path)
  }
}
