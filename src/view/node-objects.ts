/**
 * From a node of a commit to its object, and from an entry to its node.
 *
 * The kernel asks with a node's id. The node's row says which tree holds the
 * object, and at which index (node-table.ts); that directory is decoded
 * already, or read (directories.ts).
 */

import { DendroError } from '../errors.ts'
import { FuseErrno } from '../fuse/handler.ts'
import type { Attributes, Entry } from '../fuse/handler.ts'
import { FUSE_ROOT_ID } from '../fuse/layout.ts'
import type { Digest } from '../objects/digest.ts'
import type {
  DirectoryObject,
  FileObject,
  FsObject,
} from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { attributesOf } from './attributes.ts'
import type { Presentation } from './attributes.ts'
import type { Directories } from './directories.ts'
import type { Directory } from './directory.ts'
import { LostObjects } from './lost-objects.ts'
import {
  digestKey,
  directoryInode,
  fileInode,
  ROOT_PATH_KEY,
} from './node-identity.ts'
import type { InodeNumber } from './node-identity.ts'
import { NODE_DIRECTORY, NODE_OBJECT, NODE_ROOT } from './node-kind.ts'
import type { NodeIdentity } from './node-kind.ts'
import type { NodeTable } from './node-table.ts'
import { EINVAL, EISDIR, ENOTDIR } from '../system/errno.ts'

/** A directory of a commit that is shown as the root of the whole view. */
export interface ViewRoot {
  readonly commit: Digest
  readonly object: DirectoryObject
}

export interface NodeObjectsOptions {
  readonly repository: Pick<Repository, 'commits' | 'indexes'>
  readonly nodes: NodeTable
  readonly directories: Directories
  readonly presentation: Presentation
  readonly root: ViewRoot | undefined
  /** Told when somebody comes to a commit for the first time. */
  readonly onEntered: (rootTree: Digest) => void
}

export class NodeObjects {
  readonly #nodes: NodeTable
  readonly #options: NodeObjectsOptions
  readonly #lost: LostObjects
  /** Roots of commits that were entered. */
  readonly #roots = new Map<Digest, DirectoryObject>()

  constructor(options: NodeObjectsOptions) {
    const { repository, nodes, directories, root } = options
    this.#nodes = nodes
    this.#options = options
    this.#lost = new LostObjects({
      indexes: repository.indexes,
      nodes,
      directories,
      isRootInCommit: root !== undefined,
      directory: nodeId => this.directory(nodeId),
    })
  }

  /** The object that a node of a commit stands for. */
  object(nodeId: number): FsObject {
    if (nodeId === FUSE_ROOT_ID)
      return this.#options.root?.object as DirectoryObject
    if (this.#nodes.kindOf(nodeId) === NODE_ROOT)
      return this.#rootOf(this.#nodes.containerOf(nodeId))
    try {
      return this.#standing(nodeId)
    } catch (error) {
      if (!(error instanceof DendroError) || !this.#lost.find(nodeId))
        throw error
      return this.#standing(nodeId)
    }
  }

  /** The same of a file. Errors: EISDIR, EINVAL. */
  file(nodeId: number): FileObject {
    const object = this.object(nodeId)
    if (object.kind !== 'file')
      throw FuseErrno.of(object.kind === 'directory' ? EISDIR : EINVAL)
    return object
  }

  /** The same of a directory. Errors: ENOTDIR. */
  directory(nodeId: number): DirectoryObject {
    const object = this.object(nodeId)
    if (object.kind !== 'directory') throw FuseErrno.of(ENOTDIR)
    return object
  }

  attributes(nodeId: number): Attributes {
    const object = this.object(nodeId)
    const inode =
      object.kind === 'directory'
        ? directoryInode(this.#nodes.pathKeyOf(nodeId), object)
        : fileInode(this.#nodes.keyOf(nodeId))
    return this.#show(object, inode)
  }

  /** The entry `name` of the directory `parent`, as an answer to LOOKUP. */
  enter(parent: number, name: string): Entry | undefined {
    const { directories } = this.#options
    const directory = directories.load(this.directory(parent).tree)
    const index = directory.indexOf(name)
    return index < 0 ? undefined : this.#enter(parent, directory, index)
  }

  /** The root of a commit, as an answer to LOOKUP. */
  enterCommit(id: Digest): Entry {
    const object = this.#rootOf(id)
    const inode = directoryInode(ROOT_PATH_KEY, object)
    const identity = identityOfCommit(id)
    const container = Buffer.from(id, 'latin1')
    const nodeId = this.#nodes.acquire(identity, container, 0)
    return this.#entry(nodeId, object, inode)
  }

  /** Whether the kernel knows the root of a commit. */
  isEntered(id: Digest): boolean {
    if (id === this.#options.root?.commit) return true
    return this.#nodes.find(NODE_ROOT, 0, digestKey(id)) !== undefined
  }

  /** The commit root of what is in the directory `nodeId`. */
  placeBelow(nodeId: number): number {
    return nodeId === FUSE_ROOT_ID ? FUSE_ROOT_ID : this.#nodes.placeOf(nodeId)
  }

  /** What was looked for in vain may be there now. */
  retryLost(): void {
    this.#lost.retry()
  }

  /** The object of an entry, where its row says that it stands. */
  #standing(nodeId: number): FsObject {
    if (!this.#nodes.isPlaced(nodeId))
      throw new DendroError('MISSING_OBJECT', `node ${nodeId} stands nowhere`)
    const container = this.#nodes.containerOf(nodeId)
    const directory = this.#options.directories.load(container)
    return directory.object(this.#nodes.indexOf(nodeId))
  }

  #rootOf(commit: Digest): DirectoryObject {
    const known = this.#roots.get(commit)
    if (known !== undefined) return known
    const { root } = this.#options.repository.commits.load(commit)
    this.#roots.set(commit, root)
    this.#options.onEntered(root.tree)
    return root
  }

  #enter(parent: number, directory: Directory, index: number): Entry {
    const object = directory.object(index)
    const isDirectory = object.kind === 'directory'
    const path = this.#nodes.pathKeyOf(parent)
    const { key, inode } = directory.identity(index, object, path)
    const identity: NodeIdentity = {
      kind: isDirectory ? NODE_DIRECTORY : NODE_OBJECT,
      place: isDirectory ? this.placeBelow(parent) : parent,
      keys: key,
      keyAt: 0,
    }
    const nodeId = this.#nodes.acquire(identity, directory.treeId, index)
    return this.#entry(nodeId, object, inode)
  }

  #entry(nodeId: number, object: FsObject, inode: InodeNumber): Entry {
    return {
      nodeId,
      generation: this.#nodes.generationOf(nodeId),
      attributes: this.#show(object, inode),
    }
  }

  #show(object: FsObject, inode: InodeNumber): Attributes {
    return attributesOf(object, inode, this.#options.presentation)
  }
}

const identityOfCommit = (id: Digest): NodeIdentity => ({
  kind: NODE_ROOT,
  place: 0,
  keys: digestKey(id),
  keyAt: 0,
})
