/**
 * Prepares the directories that a walk comes to next, while nothing is asked:
 * reads them, decodes them, encodes their records.
 */

import { DendroError } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import type { Repository } from '../store/repository.ts'
import { KIB } from '../units.ts'
import type { Directories } from './directories.ts'
import type { Directory } from './directory.ts'
import { isDirectoryRecord } from './directory-records.ts'
import { ROOT_PATH_KEY } from './node-identity.ts'
import type { NodeKey } from './node-kind.ts'
import { Upcoming } from './upcoming.ts'

/** Larger trees are decoded only when they are asked for. */
const MAX_PREPARED_TREE_BYTES = 64 * KIB

/** A directory that was read and is to be decoded. */
interface ReadAhead {
  readonly tree: Digest
  readonly path: NodeKey
  readonly bytes: Buffer
  readonly isExplored: boolean
}

export class DirectoryPreparer {
  readonly #repository: Pick<Repository, 'indexes' | 'readTree'>
  readonly #directories: Directories
  readonly #upcoming = new Upcoming()
  #read: ReadAhead | undefined

  constructor(
    repository: Pick<Repository, 'indexes' | 'readTree'>,
    directories: Directories,
  ) {
    this.#repository = repository
    this.#directories = directories
  }

  /** Somebody came to a commit. */
  entered(rootTree: Digest): void {
    this.#upcoming.entered(rootTree, ROOT_PATH_KEY)
  }

  /** A directory is listed from its beginning. */
  arrived(tree: Digest, path: NodeKey): void {
    this.#upcoming.arrived(tree, path)
  }

  /** A directory was listed to its end: what is in it may be listed next. */
  listed(directory: Directory, path: NodeKey): void {
    eachBelow(directory, path, (tree, itsPath) =>
      this.#upcoming.expect(tree, itsPath),
    )
  }

  /**
   * Takes a step: reads a directory, or decodes what was read. False: there is
   * none.
   */
  prepare(): boolean {
    try {
      return this.#decodeRead() || this.#readUpcoming()
    } catch (error) {
      leaveToReader(error)
      return true
    }
  }

  #readUpcoming(): boolean {
    const next = this.#upcoming.next()
    const explored = next === undefined ? this.#upcoming.explore() : undefined
    const { tree, path } = next ?? explored ?? {}
    if (tree === undefined || path === undefined) return false
    const place = this.#repository.indexes.find(tree)
    if (place === undefined || place.lengthBytes > MAX_PREPARED_TREE_BYTES)
      return true
    const isExplored = explored !== undefined
    const directory = this.#directories.get(tree)
    if (directory !== undefined) this.#encode(directory, path, isExplored)
    else {
      const bytes = this.#repository.readTree(tree)
      this.#read = { tree, path, bytes, isExplored }
    }
    return true
  }

  #decodeRead(): boolean {
    if (this.#read === undefined) return false
    const { tree, path, bytes, isExplored } = this.#read
    this.#read = undefined
    // It may have been asked for meanwhile.
    const directory =
      this.#directories.get(tree) ?? this.#directories.decode(tree, bytes, path)
    this.#encode(directory, path, isExplored)
    return true
  }

  #encode(directory: Directory, path: NodeKey, isExplored: boolean): void {
    directory.records(0, path)
    if (isExplored)
      eachBelow(directory, path, (below, itsPath) =>
        this.#upcoming.found(below, itsPath),
      )
  }
}

/** Of damage, whoever asks for what is damaged is told. */
export const leaveToReader = (error: unknown): void => {
  if (!(error instanceof DendroError)) throw error
}

/** Calls `visit` for the subdirectories of a directory, the last first. */
const eachBelow = (
  directory: Directory,
  path: NodeKey,
  visit: (tree: Digest, path: NodeKey) => void,
): void => {
  // The records that are there say which entries are directories.
  const records = directory.records(0, path)
  for (let i = records.count - 1; i >= 0; i--) {
    if (!isDirectoryRecord(records, i)) continue
    const object = directory.object(i)
    if (object.kind === 'directory')
      visit(object.tree, records.keys.slice(i * 4, i * 4 + 4))
  }
}
