/**
 * What the view does before it is asked: it prepares the directories that a
 * walk comes to next, and has the files stored that a program is about to read.
 * docs/decisions/ahead.md
 */

import { DendroError } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import type { Steps } from '../steps.ts'
import { KIB, MIB } from '../units.ts'
import type { Ahead } from './ahead.ts'
import type { StoreItem, StorePart } from './store-job.ts'
import type { Directories } from './directories.ts'
import { isDirectoryRecord } from './directory.ts'
import type { Directory } from './directory.ts'
import { ROOT_PATH_KEY } from './node-identity.ts'
import { NODE_OBJECT } from './node-table.ts'
import type { NodeKey, NodeTable } from './node-table.ts'
import { ReadPattern } from './read-pattern.ts'
import { Upcoming } from './upcoming.ts'

/** Files up to this size are stored ahead, and so much of a directory at once. */
const MAX_STORED_FILE_BYTES = MIB
const MAX_BATCH_BYTES = 4 * MIB
const MAX_BATCH_FILES = 256
const FILES_A_STEP = 16
/** Listings whose follow-up waits; of more it is left out. */
const MAX_LISTED = 8
/** Larger trees are decoded only when they are asked for. */
const MAX_PREPARED_TREE_BYTES = 64 * KIB

interface Plan {
  readonly directory: Directory
  readonly path: NodeKey
  /** The first entry to store. */
  readonly from: number
}

/** A directory that was read and is to be decoded. */
interface ReadAhead {
  readonly tree: Digest
  readonly path: NodeKey
  readonly bytes: Buffer
  readonly isExplored: boolean
}

/** A file that is to be stored. */
interface Found {
  readonly index: number
  readonly key: NodeKey
  readonly parts: readonly StorePart[]
}

interface Listed {
  readonly directory: Directory
  readonly path: NodeKey
}

export class Foresight {
  readonly #repository: Repository
  readonly #directories: Directories
  readonly #nodes: NodeTable
  readonly #ahead: Ahead | undefined
  readonly #upcoming = new Upcoming()
  readonly #pattern = new ReadPattern()
  /** For when the answer in hand has left. */
  readonly #listed: Listed[] = []
  #plan: Plan | undefined
  #read: ReadAhead | undefined
  /** The directory whose files are being stored, and the job that does it. */
  #stored: { readonly tree: Digest; readonly job: number } | undefined

  readonly #onStored: ((chunk: Digest) => void) | undefined

  /** Without `ahead` only directories are prepared. */
  constructor(
    repository: Repository,
    directories: Directories,
    nodes: NodeTable,
    ahead: Ahead | undefined,
    onStored?: (chunk: Digest) => void,
  ) {
    this.#onStored = onStored
    this.#repository = repository
    this.#directories = directories
    this.#nodes = nodes
    this.#ahead = ahead
  }

  /** Somebody came to a commit. */
  entered(rootTree: Digest): void {
    this.#upcoming.entered(rootTree, ROOT_PATH_KEY)
  }

  /** A directory is listed from its beginning. */
  arrived(tree: Digest, path: NodeKey): void {
    this.#upcoming.arrived(tree, path)
  }

  /** The last entry of a directory was listed, with its attributes. */
  listed(directory: Directory, path: NodeKey): void {
    if (this.#listed.length < MAX_LISTED) this.#listed.push({ directory, path })
  }

  /** The first bytes of a file are asked for. */
  opened(nodeId: number): void {
    if (this.#ahead === undefined) return
    const tree = this.#nodes.containerOf(nodeId)
    const index = this.#nodes.indexOf(nodeId)
    if (this.#stored?.tree === tree)
      this.#ahead.progress(this.#stored.job, index)
    const from = this.#pattern.onRead(tree, index)
    if (from === undefined) return
    const path = this.#nodes.pathKeyAbove(nodeId)
    if (path !== undefined)
      this.#plan = { directory: this.#directories.load(tree), path, from }
  }

  /** Programs have their answers: what follows from them costs them nothing now. */
  followUp(): Steps<void> | undefined {
    return this.#listed.length === 0 && this.#plan === undefined
      ? undefined
      : this.#followUp()
  }

  *#followUp(): Steps<void> {
    for (;;) {
      const plan = this.#plan
      this.#plan = undefined
      try {
        if (plan !== undefined) yield* this.#store(plan)
      } catch (error) {
        leaveToReader(error)
      }
      const listed = this.#listed.shift()
      if (listed === undefined) return
      const { directory, path } = listed
      eachBelow(directory, path, (tree, itsPath) =>
        this.#upcoming.expect(tree, itsPath),
      )
      if (this.#ahead !== undefined && this.#pattern.onListed(directory.tree))
        this.#plan = { directory, path, from: 0 }
    }
  }

  /**
   * Takes a step in the preparing of directories that are likely to be listed:
   * reads one, or decodes what was read. False: there is none.
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

  /** Has the files of a directory from entry `from` on put into the page cache. */
  *#store({ directory, path, from }: Plan): Steps<void> {
    const isProbing = from === 0 && this.#pattern.isProbing
    const found: Found[] = []
    let files = 0
    let bytes = 0
    let index = from
    for (; index < directory.count; index++) {
      if (bytes >= MAX_BATCH_BYTES || files >= MAX_BATCH_FILES) break
      const object = directory.object(index)
      if (object.kind !== 'file') continue
      const parts = this.#partsOf(object)
      if (parts === undefined) continue
      if (files++ === 0 && isProbing) continue
      const { key } = directory.identity(index, object, path)
      if (this.#nodes.find(NODE_OBJECT, 0, key) === undefined) continue
      found.push({ index, key, parts })
      bytes += object.sizeBytes
      if (found.length % FILES_A_STEP === 0) yield
    }
    const marker =
      index < directory.count
        ? found.splice(found.length >>> 1, 1)[0]?.index
        : undefined
    this.#pattern.planned(index, marker ?? Infinity)
    const items = this.#itemsOf(found)
    if (items.length > 0 && this.#ahead !== undefined)
      this.#stored = { tree: directory.tree, job: this.#ahead.store(items) }
  }

  /** Those that the kernel still knows: it may forget some between two steps. */
  #itemsOf(found: readonly Found[]): StoreItem[] {
    const items: StoreItem[] = []
    for (const { index, key, parts } of found) {
      const nodeId = this.#nodes.find(NODE_OBJECT, 0, key)
      if (nodeId === undefined) continue
      items.push({ index, nodeId, parts })
      if (this.#onStored !== undefined)
        for (const { digest } of parts) this.#onStored(digest)
    }
    return items
  }

  /** Where the whole content stands; undefined for what is not stored ahead. */
  #partsOf({ sizeBytes, content }: FileObject): StorePart[] | undefined {
    if (
      sizeBytes === 0 ||
      sizeBytes > MAX_STORED_FILE_BYTES ||
      typeof content === 'string'
    )
      return undefined
    const parts: StorePart[] = []
    for (const { chunk } of content) {
      const place =
        chunk === undefined ? undefined : this.#repository.indexes.find(chunk)
      if (chunk === undefined || place === undefined) return undefined
      parts.push({ digest: chunk, place })
    }
    return parts
  }
}

/** Of damage, whoever asks for what is damaged is told. */
const leaveToReader = (error: unknown): void => {
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
