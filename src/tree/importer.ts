/**
 * Imports what was scanned: content in walk order, then trees from the leaves
 * up. What the stat cache knows is not read, and where nothing changed below a
 * directory, it is not even looked at.
 */

import { readlinkSync } from '../system/files.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import type { CommitSummary } from '../objects/commit.ts'
import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { kindOfMode, LINK_GROUP_BYTES } from '../objects/fs-object.ts'
import type {
  DirectoryObject,
  FileObject,
  FsObject,
  HardLinks,
  Metadata,
  SymlinkObject,
} from '../objects/fs-object.ts'
import { encodeTree } from '../objects/tree.ts'
import type { Tree, TreeEntry } from '../objects/tree.ts'
import type { ObjectSink } from '../store/object-writer.ts'
import { listQuarantine } from '../store/quarantine.ts'
import type { Repository } from '../store/repository.ts'
import { lstatBytes } from '../system/file-status.ts'
import type { FileStatus } from '../system/file-status.ts'
import { canUseXattrs, readXattrs } from '../system/xattr.ts'
import { conditionsOf } from './import-options.ts'
import type { ImportOptions } from './import-options.ts'
import { importFileContent } from './import-file.ts'
import { isRegular, SourcePrefetch } from './source-prefetch.ts'
import type { FileContent } from './import-file.ts'
import { applyMtimePolicy } from './mtime-policy.ts'
import { changedError, inodeKey, joinRaw, sourceError } from './scan.ts'
import type { Scan, ScannedNode } from './scan.ts'
import { StatCache } from './stat-cache.ts'
import type {
  CachedDirectory,
  DirectorySummary,
  StatCacheWriter,
} from './stat-cache.ts'

/** What a linked inode or one read before stands for; links come on top. */
type Body = FsObject

interface ImportedDirectory {
  readonly object: DirectoryObject
  /** Nothing in it and below it changed since the last commit. */
  readonly isKept: boolean
}

const countObject = (
  counts: { files: number; others: number; logicalBytes: number },
  object: FsObject,
): void => {
  if (object.kind === 'file') {
    counts.files++
    counts.logicalBytes += object.sizeBytes
  } else counts.others++
}

export class Importer {
  files = 0
  bytes = 0
  filesRead = 0
  directoriesKept = 0
  readonly #repository: Repository
  readonly #writer: ObjectSink
  readonly #source: string
  readonly #scan: Scan
  readonly #options: ImportOptions
  readonly #cache: StatCache
  readonly #cacheWriter: StatCacheWriter
  readonly #report: () => void
  readonly #linked = new Map<string, Body>()
  readonly #encoder = new MsgpackWriter(1 << 16)
  readonly #counts = { files: 0, directories: 0, others: 0, logicalBytes: 0 }
  readonly #xattrNames = new Set<string>()
  readonly #hasXattrs = canUseXattrs()
  /** Whether directories in which nothing changed are not looked into. */
  readonly #keepsTrees: boolean
  /** Where nearly everything will be read: nothing is known of the files. */
  readonly #prefetch: SourcePrefetch | undefined

  constructor(
    repository: Repository,
    writer: ObjectSink,
    source: string,
    scan: Scan,
    options: ImportOptions,
    cacheWriter: StatCacheWriter,
    report: () => void,
  ) {
    this.#repository = repository
    this.#writer = writer
    this.#source = source
    this.#scan = scan
    this.#options = options
    this.#cache =
      options.ignoreStatCache === true
        ? new StatCache()
        : StatCache.load(repository.paths.cache, source)
    this.#keepsTrees = this.#canKeepTrees()
    this.#prefetch = this.#cache.isEmpty
      ? new SourcePrefetch(source, scan.root)
      : undefined
    this.#cacheWriter = cacheWriter
    this.#report = report
  }

  /**
   * All objects of a commit are stored as long as it is there and none of them
   * was found damaged. With --mtime=parent trees also depend on the parent.
   */
  #canKeepTrees(): boolean {
    const { mtime } = this.#options
    if (mtime.kind === 'parent') return false
    const commit = this.#cache.commitUnder(conditionsOf(mtime))
    return (
      commit !== undefined &&
      this.#repository.commits.has(commit) &&
      listQuarantine(this.#repository.paths).size === 0
    )
  }

  async importRoot(): Promise<DirectoryObject> {
    const { root } = this.#scan
    const parent = this.#options.parentRoot
    try {
      return (await this.#directory(root, '', parent, undefined)).object
    } finally {
      await this.#prefetch?.close()
    }
  }

  summary(): CommitSummary {
    return { ...this.#counts, xattrNames: [...this.#xattrNames].sort() }
  }

  async #directory(
    node: ScannedNode,
    path: string,
    parent: FsObject | undefined,
    known: FsObject | undefined,
  ): Promise<ImportedDirectory> {
    const children = node.children ?? []
    const cached = this.#cache.directory(path)
    const below = new Map<ScannedNode, ImportedDirectory>()
    if (this.#keepsTrees) {
      const summary = cached.summary(node.status, children)
      if (summary !== undefined && this.#writer.has(summary.object.tree)) {
        for (const child of children)
          if (child.children !== undefined)
            below.set(
              child,
              await this.#directory(
                child,
                joinRaw(path, child.name),
                undefined,
                undefined,
              ),
            )
        if ([...below.values()].every(({ isKept }) => isKept))
          return this.#keep(path, cached, summary)
      }
    }
    const parentTree = this.#parentTree(parent)
    const entries: TreeEntry[] = []
    const records: (ScannedNode & { object: FsObject })[] = []
    const counts = { files: 0, others: 0, logicalBytes: 0 }
    let subdirectories = 0
    for (const child of children) {
      const childPath = joinRaw(path, child.name)
      const before = parentTree?.get(child.name)?.object
      const seen = cached.find(child.name, child.status)
      const object =
        below.get(child)?.object ??
        (await this.#entry(child, childPath, before, seen))
      if (object === undefined) continue
      if (object.kind === 'directory') subdirectories++
      else countObject(counts, object)
      entries.push({ name: child.name, object })
      records.push({ ...child, object })
    }
    const tree = this.#writer.add('meta', encodeTree(entries, this.#encoder))
    this.#counts.directories++
    const metadata = this.#metadata(node.status, path, known)
    const plain: DirectoryObject = {
      kind: 'directory',
      ...metadata,
      tree,
      subdirectories,
    }
    const { mtime } = this.#options
    const object = applyMtimePolicy(mtime, plain, parent) as DirectoryObject
    const names = [object, ...entries.map(entry => entry.object)].flatMap(
      ({ xattrs }) => xattrs.map(({ name }) => name),
    )
    const summary = { object, ...counts, xattrNames: [...new Set(names)] }
    const isWhole = records.length === children.length
    this.#cacheWriter.addDirectory(
      path,
      node.status,
      records,
      isWhole ? summary : undefined,
    )
    return { object, isKept: false }
  }

  /** A directory in which nothing changed. */
  #keep(
    path: string,
    cached: CachedDirectory,
    { object, files, others, logicalBytes, xattrNames }: DirectorySummary,
  ): ImportedDirectory {
    this.#cacheWriter.keepDirectory(path, cached)
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

  /** The object of one entry, or undefined when it is left out. */
  async #entry(
    node: ScannedNode,
    path: string,
    parent: FsObject | undefined,
    known: FsObject | undefined,
  ): Promise<FsObject | undefined> {
    if (node.children !== undefined)
      return (await this.#directory(node, path, parent, known)).object
    if (isRegular(node)) this.#prefetch?.advance()
    const key = node.status.nlink > 1 ? inodeKey(node.status) : ''
    const seen = this.#linked.get(key)
    if (seen !== undefined) return seen
    const object = await this.#readEntry(node, path, known)
    if (object === undefined) return undefined
    if (object.kind === 'file') this.files++
    countObject(this.#counts, object)
    const dated = applyMtimePolicy(this.#options.mtime, object, parent)
    if (key !== '') this.#linked.set(key, dated)
    this.#report()
    return dated
  }

  async #readEntry(
    node: ScannedNode,
    path: string,
    known: FsObject | undefined,
  ): Promise<FsObject | undefined> {
    if (known !== undefined && this.#isStored(known)) {
      this.bytes += known.kind === 'file' ? known.sizeBytes : 0
      return this.#build(node.status, path, known)
    }
    try {
      return await this.#readStable(node, path)
    } catch (error) {
      const wrapped = sourceError(`${this.#source}/${path}`, error)
      if (
        wrapped.code !== 'SOURCE_CHANGED' ||
        this.#options.allowChanging !== true
      )
        throw wrapped
      this.#options.onSkipped?.(path, wrapped.message)
      return undefined
    }
  }

  /** Reads an entry; with `allowChanging` again until it holds still. */
  async #readStable(node: ScannedNode, path: string): Promise<FsObject> {
    const full = `${this.#source}/${path}`
    let status = node.status
    for (let tries = 0; ; tries++) {
      const object = await this.#build(status, path, undefined)
      const after = lstatBytes(latin1ToBytes(full))
      if (isSame(status, after)) return object
      if (this.#options.allowChanging !== true)
        throw changedError(full, 'it changed while it was read')
      if (kindOfMode(after.mode) !== kindOfMode(status.mode))
        throw changedError(full, 'it was replaced while the tree was read')
      if (tries === 3) return object
      status = after
    }
  }

  /** The object for `status`; content and xattrs from `known` when given. */
  async #build(
    status: FileStatus,
    path: string,
    known: FsObject | undefined,
  ): Promise<FsObject> {
    const metadata = this.#metadata(status, path, known)
    const links = this.#linksOf(status)
    const kind = kindOfMode(status.mode)
    switch (kind) {
      case 'file':
        return {
          kind,
          ...metadata,
          links,
          ...(await this.#content(status, path, known)),
        }
      case 'symlink': {
        const target =
          known === undefined
            ? this.#readLink(path)
            : (known as SymlinkObject).target
        return { kind, ...metadata, links, target }
      }
      case 'char':
      case 'block': {
        const { rdevMajor: major, rdevMinor: minor } = status
        return { kind, ...metadata, links, major, minor }
      }
      case 'fifo':
      case 'socket':
        return { kind, ...metadata, links }
      case 'directory':
      case undefined:
        throw changedError(path, 'its type changed while the tree was read')
    }
  }

  async #content(
    status: FileStatus,
    path: string,
    known: FsObject | undefined,
  ): Promise<FileContent> {
    if (known !== undefined) {
      const { sizeBytes, dataBytes, content } = known as FileObject
      return { sizeBytes, dataBytes, content }
    }
    this.filesRead++
    return importFileContent(
      `${this.#source}/${path}`,
      status,
      this.#writer,
      count => {
        this.bytes += count
        this.#report()
      },
    )
  }

  #metadata(
    status: FileStatus,
    path: string,
    known: FsObject | undefined,
  ): Metadata {
    const { mode, uid, gid, mtimeSec, mtimeNsec } = status
    const xattrs = known?.xattrs ?? this.#readXattrs(path)
    for (const { name } of xattrs) this.#xattrNames.add(name)
    return { mode, uid, gid, mtimeSec, mtimeNsec, xattrs }
  }

  #readXattrs(path: string) {
    if (!this.#hasXattrs) return []
    const full = path === '' ? this.#source : `${this.#source}/${path}`
    return readXattrs(latin1ToBytes(full))
  }

  #readLink(path: string): string {
    return readlinkSync(latin1ToBytes(`${this.#source}/${path}`), {
      encoding: 'latin1',
    })
  }

  #linksOf(status: FileStatus): HardLinks | undefined {
    if (status.nlink < 2) return undefined
    const group = this.#scan.links.get(inodeKey(status))
    if (group === undefined) return undefined
    const digest: string = digestOf(latin1ToBytes(group.firstPath))
    return { nlink: group.count, group: digest.slice(0, LINK_GROUP_BYTES) }
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
}

const isSame = (a: FileStatus, b: FileStatus): boolean =>
  a.sizeBytes === b.sizeBytes &&
  a.mtimeSec === b.mtimeSec &&
  a.mtimeNsec === b.mtimeNsec &&
  a.ctimeSec === b.ctimeSec &&
  a.ctimeNsec === b.ctimeNsec &&
  inodeKey(a) === inodeKey(b)
