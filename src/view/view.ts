/**
 * The view: every commit of a repository as one filesystem. Marries tree and
 * fuse.
 *
 * The life of a read: docs/architecture.md
 */

import { DendroError } from '../errors.ts'
import type {
  Attributes,
  DirectorySink,
  Entry,
  FileSystemStatistics,
  FuseHandler,
  Slice,
} from '../fuse/handler.ts'
import { FuseErrno } from '../fuse/handler.ts'
import {
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENXIO,
  ESTALE,
  FUSE_ROOT_ID,
} from '../fuse/layout.ts'
import type { Invalidation } from '../fuse/notify.ts'
import { digestFromHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type {
  DirectoryObject,
  FileObject,
  FsObject,
} from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import type { Steps } from '../steps.ts'
import { readParts } from '../tree/read-file.ts'
import { seekFile } from '../tree/seek-file.ts'
import type { Ahead } from './ahead.ts'
import {
  addDots,
  attributesOf,
  DT_DIR,
  EXACT,
  FIRST_COOKIE,
} from './attributes.ts'
import type { Presentation } from './attributes.ts'
import { Directories } from './directories.ts'
import { isDirectoryRecord } from './directory.ts'
import type { Directory } from './directory.ts'
import { Foresight } from './foresight.ts'
import { listPlain } from './list-plain.ts'
import { LostObjects } from './lost-objects.ts'
import {
  digestKey,
  directoryInode,
  fileInode,
  ROOT_PATH_KEY,
} from './node-identity.ts'
import type { InodeNumber } from './node-identity.ts'
import {
  NODE_DIRECTORY,
  NODE_FREE,
  NODE_OBJECT,
  NODE_ROOT,
  NODE_VIRTUAL,
  NodeTable,
} from './node-table.ts'
import type { NodeRows } from './node-rows.ts'
import { COMMITS } from './view-names.ts'
import { getXattr, listXattrs } from './shown-xattrs.ts'
import { ViewTop } from './view-top.ts'
import type { VirtualJournal } from './view-top.ts'

export interface ViewOptions {
  /** Serve this directory of a commit as the root instead of the whole view. */
  readonly root?: { readonly commit: Digest; readonly object: DirectoryObject }
  /** Rows of the node table; of this process alone when left out. */
  readonly rows?: NodeRows
  /** Where the view's own nodes outlive this process. */
  readonly journal?: VirtualJournal
  /** Stores files before they are asked for. */
  readonly ahead?: Ahead | undefined
  /** Told of what is stored ahead: nobody will ask for it. */
  readonly onStored?: ((chunk: Digest) => void) | undefined
  /** How objects are shown; as they are when left out. */
  readonly presentation?: Presentation
  /** Whether to prepare what may be asked next while nothing is asked. */
  readonly prepares?: boolean
}

export class View implements FuseHandler {
  readonly idle: (() => boolean) | undefined
  readonly #repository: Repository
  readonly #nodes: NodeTable
  readonly #top: ViewTop
  readonly #rootObject: DirectoryObject | undefined
  readonly #presentation: Presentation
  readonly #rootCommit: Digest | undefined
  readonly #roots = new Map<Digest, DirectoryObject>()
  readonly #directories: Directories
  readonly #foresight: Foresight
  readonly #lost: LostObjects
  /** Commits (hex) that are about to be pruned: nobody enters them now. */
  readonly #condemned = new Set<string>()

  constructor(repository: Repository, options: ViewOptions = {}) {
    this.#repository = repository
    this.#rootObject = options.root?.object
    this.#rootCommit = options.root?.commit
    const { ahead, presentation = EXACT } = options
    this.#presentation = presentation
    this.#directories = new Directories(repository, presentation)
    this.#nodes = new NodeTable(options.rows, () => ahead?.isBusy === true)
    this.#top = new ViewTop(repository, this.#nodes, {
      journal: options.journal,
      presentation,
    })
    this.#foresight = new Foresight(
      repository,
      this.#directories,
      this.#nodes,
      ahead,
      options.onStored,
    )
    this.#lost = new LostObjects({
      indexes: repository.indexes,
      nodes: this.#nodes,
      directories: this.#directories,
      isRootInCommit: this.#rootObject !== undefined,
      directory: nodeId => this.#directory(nodeId),
    })
    if (options.prepares !== false) this.idle = () => this.#foresight.prepare()
  }

  /** Nodes that the kernel knows. */
  get nodes(): number {
    return this.#nodes.size
  }

  /** Takes up the state as another server left it. */
  restore(): void {
    this.#nodes.restore()
    this.#top.restore()
  }

  /**
   * Closes commits (hex) to those who are not in them yet, until the next
   * refresh; returns those that the kernel knows.
   */
  condemn(commits: readonly string[]): string[] {
    const own = this.#rootCommit
    return commits.filter(hex => {
      const id = digestFromHex(hex)
      if (id === undefined) return false
      this.#condemned.add(hex)
      const key = digestKey(id)
      return id === own || this.#nodes.find(NODE_ROOT, 0, key) !== undefined
    })
  }

  /** Opens commits again. */
  pardon(commits: readonly string[]): void {
    for (const hex of commits) this.#condemned.delete(hex)
  }

  /** What makes the kernel let go of commits that nobody uses. */
  letGo(commits: readonly string[]): Invalidation[] {
    const parent = this.#top.directoryNode(COMMITS)
    return parent === undefined
      ? []
      : commits.map(name => ({ kind: 'entry', parent, name }))
  }

  /** Looks at the repository again; what the kernel must be told. */
  refresh(): Invalidation[] {
    this.#condemned.clear()
    this.#lost.retry()
    return this.#rootObject === undefined ? this.#top.refresh() : []
  }

  lookup(parent: number, name: string): Entry | undefined {
    if (this.#isVirtual(parent)) {
      const path = this.#top.pathOf(parent)
      const entry =
        path === COMMITS
          ? this.#lookupCommit(name)
          : this.#top.lookup(path, name)
      // Not cached: a commit or a ref of that name may come.
      if (entry === undefined) throw FuseErrno.of(ENOENT)
      return entry
    }
    const directory = this.#directories.load(this.#directory(parent).tree)
    const index = directory.indexOf(name)
    return index < 0 ? undefined : this.#enter(parent, directory, index)
  }

  getattr(nodeId: number): Attributes {
    if (this.#isVirtual(nodeId)) return this.#top.attributes(nodeId)
    const object = this.#object(nodeId)
    return this.#show(object, this.#inode(nodeId, object))
  }

  readlink(nodeId: number): Buffer {
    if (this.#isVirtual(nodeId)) return this.#top.readlink(nodeId)
    const object = this.#object(nodeId)
    if (object.kind !== 'symlink') throw FuseErrno.of(EINVAL)
    return Buffer.from(object.target, 'latin1')
  }

  *read(
    nodeId: number,
    offset: number,
    lengthBytes: number,
  ): Steps<readonly Slice[]> {
    const object = this.#file(nodeId)
    if (offset === 0) this.#foresight.opened(nodeId)
    // The answer before this one has left.
    this.#repository.releaseChunks()
    return yield* readParts(this.#repository, object, offset, lengthBytes)
  }

  seek(nodeId: number, offset: number, what: 'data' | 'hole'): number {
    const object = this.#file(nodeId)
    const found = seekFile(this.#repository, object, offset, what)
    if (found === undefined) throw FuseErrno.of(ENXIO)
    return found
  }

  readdir(nodeId: number, cookie: number, sink: DirectorySink): void {
    if (this.#isVirtual(nodeId)) {
      const path = this.#top.pathOf(nodeId)
      if (path === COMMITS) this.#listCommits(nodeId, cookie, sink)
      else this.#top.readdir(nodeId, cookie, sink)
      return
    }
    const directory = this.#directory(nodeId)
    if (cookie < FIRST_COOKIE && !addDots(cookie, sink, this.getattr(nodeId)))
      return
    this.#list(nodeId, directory.tree, Math.max(0, cookie - FIRST_COOKIE), sink)
  }

  /** Adds the entries of a commit's directory from `first` on. */
  #list(nodeId: number, tree: Digest, first: number, sink: DirectorySink) {
    const path = this.#nodes.pathKeyOf(nodeId)
    if (first === 0) this.#foresight.arrived(tree, path)
    const directory = this.#directories.load(tree, path)
    const place = this.#placeBelow(nodeId)
    let index = first
    while (index < directory.count) {
      const records = directory.records(index, path)
      const { first: base, keys, count } = records
      const added = sink.addRecords?.(records, index - base, {
        acquire: i => {
          const isDirectory = isDirectoryRecord(records, i)
          return this.#nodes.acquire(
            isDirectory ? NODE_DIRECTORY : NODE_OBJECT,
            isDirectory ? place : nodeId,
            keys,
            directory.treeId,
            base + i,
            i * 4,
          )
        },
        generationOf: id => this.#nodes.generationOf(id),
      })
      if (added === undefined) {
        listPlain(directory, path, index, sink, this.#presentation)
        return
      }
      index += added
      if (index < base + count) return
    }
    if (first < directory.count) this.#foresight.listed(directory, path)
  }

  followUp(): Steps<void> | undefined {
    return this.#foresight.followUp()
  }

  getxattr(nodeId: number, name: string): Buffer | undefined {
    if (this.#isVirtual(nodeId)) return undefined
    return getXattr(this.#object(nodeId), name, this.#presentation)
  }

  listxattr(nodeId: number): Buffer {
    if (this.#isVirtual(nodeId)) return Buffer.alloc(0)
    return listXattrs(this.#object(nodeId), this.#presentation)
  }

  statfs(): FileSystemStatistics {
    return this.#top.statistics()
  }

  forget(nodeId: number, count: number): void {
    if (nodeId === FUSE_ROOT_ID) return
    const isVirtual = this.#isVirtual(nodeId)
    if (this.#nodes.forget(nodeId, count) && isVirtual) this.#top.forget(nodeId)
  }

  #isVirtual(nodeId: number): boolean {
    if (nodeId === FUSE_ROOT_ID) return this.#rootObject === undefined
    const kind = this.#nodes.kindOf(nodeId)
    if (kind === NODE_FREE) throw FuseErrno.of(ESTALE)
    return kind === NODE_VIRTUAL
  }

  /** The object that a node stands for. */
  #object(nodeId: number): FsObject {
    if (nodeId === FUSE_ROOT_ID) return this.#rootObject as DirectoryObject
    if (this.#nodes.kindOf(nodeId) === NODE_ROOT)
      return this.#root(this.#nodes.containerOf(nodeId))
    try {
      return this.#standing(nodeId)
    } catch (error) {
      if (!(error instanceof DendroError) || !this.#lost.find(nodeId))
        throw error
      return this.#standing(nodeId)
    }
  }

  /** The object of an entry, where its row says that it stands. */
  #standing(nodeId: number): FsObject {
    if (!this.#nodes.isPlaced(nodeId))
      throw new DendroError('MISSING_OBJECT', `node ${nodeId} stands nowhere`)
    const container = this.#nodes.containerOf(nodeId)
    return this.#directories.load(container).object(this.#nodes.indexOf(nodeId))
  }

  #file(nodeId: number): FileObject {
    const object = this.#isVirtual(nodeId) ? undefined : this.#object(nodeId)
    if (object?.kind !== 'file')
      throw FuseErrno.of(object?.kind === 'directory' ? EISDIR : EINVAL)
    return object
  }

  #directory(nodeId: number): DirectoryObject {
    const object = this.#object(nodeId)
    if (object.kind !== 'directory') throw FuseErrno.of(ENOTDIR)
    return object
  }

  #root(commit: Digest): DirectoryObject {
    const known = this.#roots.get(commit)
    if (known !== undefined) return known
    const { root } = this.#repository.commits.load(commit)
    this.#roots.set(commit, root)
    this.#foresight.entered(root.tree)
    return root
  }

  #inode(nodeId: number, object: FsObject): InodeNumber {
    if (object.kind !== 'directory') return fileInode(this.#nodes.keyOf(nodeId))
    return directoryInode(this.#nodes.pathKeyOf(nodeId), object)
  }

  #show(object: FsObject, inode: InodeNumber): Attributes {
    return attributesOf(object, inode, this.#presentation)
  }

  /** The commit root of what is in the directory `nodeId`. */
  #placeBelow(nodeId: number): number {
    return nodeId === FUSE_ROOT_ID ? FUSE_ROOT_ID : this.#nodes.placeOf(nodeId)
  }

  /** The entry `index` of a directory as an answer to LOOKUP. */
  #enter(parent: number, directory: Directory, index: number): Entry {
    const object = directory.object(index)
    const isDirectory = object.kind === 'directory'
    const path = this.#nodes.pathKeyOf(parent)
    const { key, inode } = directory.identity(index, object, path)
    const nodeId = this.#nodes.acquire(
      isDirectory ? NODE_DIRECTORY : NODE_OBJECT,
      isDirectory ? this.#placeBelow(parent) : parent,
      key,
      directory.treeId,
      index,
    )
    return {
      nodeId,
      generation: this.#nodes.generationOf(nodeId),
      attributes: this.#show(object, inode),
    }
  }

  #lookupCommit(hex: string): Entry | undefined {
    const id = digestFromHex(hex)
    if (id === undefined || !this.#repository.commits.has(id)) return undefined
    const isClosed =
      this.#condemned.has(hex) &&
      this.#nodes.find(NODE_ROOT, 0, digestKey(id)) === undefined
    return isClosed ? undefined : this.#acquireRoot(id)
  }

  #acquireRoot(id: Digest): Entry {
    const object = this.#root(id)
    const inode = directoryInode(ROOT_PATH_KEY, object)
    const nodeId = this.#nodes.acquire(
      NODE_ROOT,
      0,
      digestKey(id),
      Buffer.from(id, 'latin1'),
      0,
    )
    return {
      nodeId,
      generation: this.#nodes.generationOf(nodeId),
      attributes: this.#show(object, inode),
    }
  }

  /** Names alone: attributes would load every commit. */
  #listCommits(nodeId: number, cookie: number, sink: DirectorySink): void {
    if (!addDots(cookie, sink, this.#top.attributes(nodeId))) return
    const names = this.#repository.commits.listHex()
    for (let i = Math.max(0, cookie - FIRST_COOKIE); i < names.length; i++) {
      const name = names[i] as string
      const ino = Number.parseInt(name.slice(0, 8), 16) | 1
      if (!sink.add(name, i + FIRST_COOKIE + 1, DT_DIR, 0, ino >>> 0)) return
    }
  }
}
