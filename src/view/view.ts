/**
 * The view: every commit of a repository as one filesystem. Marries tree and
 * fuse.
 *
 * Answers for the view's own names come from view-top.ts and
 * commits-directory.ts; for all else node-objects.ts says which object a node
 * stands for. The life of a read: docs/architecture.md
 */

import type {
  Attributes,
  DirectorySink,
  Entry,
  FileSystemStatistics,
  FuseHandler,
  Slice,
} from '../fuse/handler.ts'
import { FuseErrno } from '../fuse/handler.ts'
import { FUSE_ROOT_ID } from '../fuse/layout.ts'
import type { Invalidation } from '../fuse/notify.ts'
import type { Digest } from '../objects/digest.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { LocalLease } from '../store/object-reader.ts'
import type { Repository } from '../store/repository.ts'
import type { Steps } from '../steps.ts'
import { EINVAL, ENOENT, ENXIO, ESTALE } from '../system/errno.ts'
import { readParts } from '../tree/read-file.ts'
import { seekFile } from '../tree/seek-file.ts'
import type { Ahead } from './ahead.ts'
import { addDots, EXACT, FIRST_COOKIE } from './attributes.ts'
import type { Presentation } from './attributes.ts'
import { CommitsDirectory } from './commits-directory.ts'
import { Directories } from './directories.ts'
import { Foresight } from './foresight.ts'
import { listPlain, listRecords } from './listing.ts'
import { NODE_FREE, NODE_VIRTUAL } from './node-kind.ts'
import { NodeObjects } from './node-objects.ts'
import type { ViewRoot } from './node-objects.ts'
import type { NodeRows } from './node-rows.ts'
import { NodeTable } from './node-table.ts'
import { getXattr, listXattrs } from './shown-xattrs.ts'
import { COMMITS } from './view-names.ts'
import { ViewTop } from './view-top.ts'
import type { VirtualJournal } from './view-top.ts'

export interface ViewOptions {
  /** Serve this directory of a commit as the root instead of the whole view. */
  readonly root?: ViewRoot
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
  /** Holds the content of the answer in hand. */
  readonly #lease: LocalLease
  readonly #nodes: NodeTable
  readonly #top: ViewTop
  readonly #commits: CommitsDirectory
  readonly #objects: NodeObjects
  readonly #directories: Directories
  readonly #foresight: Foresight
  readonly #presentation: Presentation
  /** Whether the view's root is a directory of a commit. */
  readonly #isRootInCommit: boolean

  constructor(repository: Repository, options: ViewOptions = {}) {
    const { root, journal, ahead, onStored, presentation = EXACT } = options
    this.#repository = repository
    this.#lease = repository.lease()
    this.#presentation = presentation
    this.#isRootInCommit = root !== undefined
    const directories = new Directories(repository, presentation)
    const nodes = new NodeTable(options.rows, () => ahead?.isBusy === true)
    this.#directories = directories
    this.#nodes = nodes
    this.#top = new ViewTop(repository, nodes, { journal, presentation })
    this.#foresight = new Foresight({
      repository,
      directories,
      nodes,
      ahead,
      onStored,
    })
    this.#objects = new NodeObjects({
      repository,
      nodes,
      directories,
      presentation,
      root,
      onEntered: tree => this.#foresight.entered(tree),
    })
    const { commits } = repository
    this.#commits = new CommitsDirectory(commits, this.#top, this.#objects)
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
    return this.#commits.condemn(commits)
  }

  /** Opens commits again. */
  pardon(commits: readonly string[]): void {
    this.#commits.open(commits)
  }

  /** What makes the kernel let go of commits that nobody uses. */
  letGo(commits: readonly string[]): Invalidation[] {
    return this.#commits.letGo(commits)
  }

  /** Looks at the repository again; what the kernel must be told. */
  refresh(): Invalidation[] {
    this.#commits.open()
    this.#objects.retryLost()
    return this.#isRootInCommit ? [] : this.#top.refresh()
  }

  lookup(parent: number, name: string): Entry | undefined {
    if (!this.#isVirtual(parent)) return this.#objects.enter(parent, name)
    const path = this.#top.pathOf(parent)
    const entry =
      path === COMMITS
        ? this.#commits.lookup(name)
        : this.#top.lookup(path, name)
    // Not cached: a commit or a ref of that name may come.
    if (entry === undefined) throw FuseErrno.of(ENOENT)
    return entry
  }

  getattr(nodeId: number): Attributes {
    return this.#isVirtual(nodeId)
      ? this.#top.attributes(nodeId)
      : this.#objects.attributes(nodeId)
  }

  readlink(nodeId: number): Buffer {
    if (this.#isVirtual(nodeId)) return this.#top.readlink(nodeId)
    const object = this.#objects.object(nodeId)
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
    this.#lease.end()
    return yield* readParts(this.#lease, object, offset, lengthBytes)
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
      if (path === COMMITS) this.#commits.list(nodeId, cookie, sink)
      else this.#top.readdir(nodeId, cookie, sink)
      return
    }
    const { tree } = this.#objects.directory(nodeId)
    if (cookie < FIRST_COOKIE && !addDots(cookie, sink, this.getattr(nodeId)))
      return
    this.#list(nodeId, tree, Math.max(0, cookie - FIRST_COOKIE), sink)
  }

  /** Adds the entries of a commit's directory from `first` on. */
  #list(nodeId: number, tree: Digest, first: number, sink: DirectorySink) {
    const path = this.#nodes.pathKeyOf(nodeId)
    if (first === 0) this.#foresight.arrived(tree, path)
    const directory = this.#directories.load(tree, path)
    const place = this.#objects.placeBelow(nodeId)
    const listing = { nodeId, directory, path, place }
    const next = listRecords(listing, first, this.#nodes, sink)
    if (next === undefined) listPlain(listing, first, sink, this.#presentation)
    else if (next === directory.count && first < next)
      this.#foresight.listed(directory, path)
  }

  followUp(): Steps<void> | undefined {
    return this.#foresight.followUp()
  }

  getxattr(nodeId: number, name: string): Buffer | undefined {
    if (this.#isVirtual(nodeId)) return undefined
    return getXattr(this.#objects.object(nodeId), name, this.#presentation)
  }

  listxattr(nodeId: number): Buffer {
    if (this.#isVirtual(nodeId)) return Buffer.alloc(0)
    return listXattrs(this.#objects.object(nodeId), this.#presentation)
  }

  statfs(): FileSystemStatistics {
    return this.#top.statistics()
  }

  forget(nodeId: number, count: number): void {
    if (nodeId === FUSE_ROOT_ID) return
    const isVirtual = this.#isVirtual(nodeId)
    if (this.#nodes.forget(nodeId, count) && isVirtual) this.#top.forget(nodeId)
  }

  /** Whether a node is one of the view's own names. Errors: ESTALE. */
  #isVirtual(nodeId: number): boolean {
    if (nodeId === FUSE_ROOT_ID) return !this.#isRootInCommit
    const kind = this.#nodes.kindOf(nodeId)
    if (kind === NODE_FREE) throw FuseErrno.of(ESTALE)
    return kind === NODE_VIRTUAL
  }

  #file(nodeId: number): FileObject {
    if (this.#isVirtual(nodeId)) throw FuseErrno.of(EINVAL)
    return this.#objects.file(nodeId)
  }
}
