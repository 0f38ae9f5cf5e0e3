/**
 * Finds objects whose tree is gone.
 *
 * A file is one node in all commits that have the same at its path, and its
 * row says where it was met first. When that commit is pruned, another one
 * still holds the file, and the kernel knows the file's directory there: it
 * knows the parents of whatever it knows, and no commit that it knows is
 * pruned. So lost files are looked for in the directories that it knows.
 */

import { DendroError } from '../errors.ts'
import { FUSE_ROOT_ID } from '../fuse/layout.ts'
import type { Digest } from '../objects/digest.ts'
import type { DirectoryObject } from '../objects/fs-object.ts'
import type { IndexSet } from '../store/index-set.ts'
import type { Directories } from './directories.ts'
import type { Directory } from './directory.ts'
import { NODE_DIRECTORY, NODE_OBJECT, NODE_ROOT } from './node-kind.ts'
import type { NodeKey } from './node-kind.ts'
import type { NodeTable } from './node-table.ts'

/** What the search needs of the view. */
export interface Surroundings {
  readonly indexes: Pick<IndexSet, 'find' | 'reload'>
  readonly nodes: NodeTable
  readonly directories: Pick<Directories, 'load'>
  /** Whether the view's root is a directory of a commit. */
  readonly isRootInCommit: boolean
  /** The directory that a node stands for. */
  readonly directory: (nodeId: number) => DirectoryObject
}

export class LostObjects {
  readonly #around: Surroundings
  /** Trees whose objects were looked for in vain. */
  readonly #givenUp = new Set<Digest>()

  constructor(around: Surroundings) {
    this.#around = around
  }

  /**
   * To be called when the object of a node cannot be read where its row says
   * it stands: whether it stands elsewhere now. False where its tree is there
   * and damaged. Reads every directory that the kernel knows.
   */
  find(nodeId: number): boolean {
    const { indexes, nodes } = this.#around
    if (nodes.kindOf(nodeId) !== NODE_OBJECT) return false
    const tree = nodes.containerOf(nodeId)
    if (this.#givenUp.has(tree)) return false
    indexes.reload()
    if (!this.#isLost(nodeId)) return false
    this.#search()
    const isFound = !this.#isLost(nodeId)
    if (!isFound) this.#givenUp.add(tree)
    return isFound
  }

  /** The repository changed: what was looked for in vain may be there. */
  retry(): void {
    this.#givenUp.clear()
  }

  #isLost(nodeId: number): boolean {
    const { indexes, nodes } = this.#around
    return (
      !nodes.isPlaced(nodeId) ||
      indexes.find(nodes.containerOf(nodeId)) === undefined
    )
  }

  #search(): void {
    const { directories, nodes } = this.#around
    for (const nodeId of this.#knownDirectories()) {
      try {
        const { tree } = this.#around.directory(nodeId)
        this.#searchIn(directories.load(tree), nodes.pathKeyOf(nodeId))
      } catch (error) {
        // Of damage, whoever asks for what is damaged is told.
        if (!(error instanceof DendroError)) throw error
      }
    }
  }

  *#knownDirectories(): Generator<number, void, undefined> {
    const { isRootInCommit, nodes } = this.#around
    if (isRootInCommit) yield FUSE_ROOT_ID
    yield* nodes.ofKind(NODE_ROOT)
    yield* nodes.ofKind(NODE_DIRECTORY)
  }

  #searchIn(directory: Directory, path: NodeKey): void {
    const { nodes } = this.#around
    for (let i = 0; i < directory.count; i++) {
      const object = directory.object(i)
      if (object.kind === 'directory') continue
      const { key } = directory.identity(i, object, path)
      const nodeId = nodes.find(NODE_OBJECT, 0, key)
      if (nodeId !== undefined && this.#isLost(nodeId))
        nodes.place(nodeId, directory.treeId, i)
    }
  }
}
