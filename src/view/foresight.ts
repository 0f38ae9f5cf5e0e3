/**
 * What the view does before it is asked: it prepares the directories that a
 * walk comes to next (directory-preparer.ts), and has the files stored that a program is
 * about to read (store-planner.ts). Here stands when: behind the answer in hand, or
 * while nothing is asked. docs/decisions/ahead.md
 */

import type { Digest } from '../objects/digest.ts'
import type { Repository } from '../store/repository.ts'
import type { Steps } from '../steps.ts'
import type { Ahead } from './ahead.ts'
import type { Directories } from './directories.ts'
import type { Directory } from './directory.ts'
import type { NodeKey } from './node-kind.ts'
import type { NodeTable } from './node-table.ts'
import { DirectoryPreparer, leaveToReader } from './directory-preparer.ts'
import { StorePlanner } from './store-planner.ts'

/** Listings whose follow-up waits; of more it is left out. */
const MAX_LISTED = 8

interface Listed {
  readonly directory: Directory
  readonly path: NodeKey
}

export interface ForesightOptions {
  readonly repository: Repository
  readonly directories: Directories
  readonly nodes: NodeTable
  /** Stores files; without it only directories are prepared. */
  readonly ahead: Ahead | undefined
  /** Told of what is stored ahead: nobody will ask for it. */
  readonly onStored: ((chunk: Digest) => void) | undefined
}

export class Foresight {
  readonly #preparer: DirectoryPreparer
  readonly #planner: StorePlanner | undefined
  /** For when the answer in hand has left. */
  readonly #listed: Listed[] = []

  constructor(options: ForesightOptions) {
    const { repository, directories, nodes, ahead, onStored } = options
    this.#preparer = new DirectoryPreparer(repository, directories)
    if (ahead !== undefined)
      this.#planner = new StorePlanner({
        indexes: repository.indexes,
        directories,
        nodes,
        ahead,
        onStored,
      })
  }

  /** Somebody came to a commit. */
  entered(rootTree: Digest): void {
    this.#preparer.entered(rootTree)
  }

  /** A directory is listed from its beginning. */
  arrived(tree: Digest, path: NodeKey): void {
    this.#preparer.arrived(tree, path)
  }

  /** The last entry of a directory was listed, with its attributes. */
  listed(directory: Directory, path: NodeKey): void {
    if (this.#listed.length < MAX_LISTED) this.#listed.push({ directory, path })
  }

  /** The first bytes of a file are asked for. */
  opened(nodeId: number): void {
    this.#planner?.opened(nodeId)
  }

  /** Programs have their answers: what follows from them costs them nothing now. */
  followUp(): Steps<void> | undefined {
    return this.#listed.length === 0 && this.#planner?.hasPlan !== true
      ? undefined
      : this.#followUp()
  }

  *#followUp(): Steps<void> {
    for (;;) {
      try {
        if (this.#planner !== undefined) yield* this.#planner.store()
      } catch (error) {
        leaveToReader(error)
      }
      const listed = this.#listed.shift()
      if (listed === undefined) return
      const { directory, path } = listed
      this.#preparer.listed(directory, path)
      this.#planner?.listed(directory, path)
    }
  }

  /**
   * Takes a step in the preparing of directories that are likely to be listed.
   * False: there is none.
   */
  prepare(): boolean {
    return this.#preparer.prepare()
  }
}
