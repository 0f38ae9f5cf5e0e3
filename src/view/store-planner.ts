/**
 * Decides which files are stored in the page cache before they are asked for:
 * those that a program is about to read, where it reads whole directories. No
 * READ comes for them then. file-storer.ts stores them, on another thread.
 */

import type { Digest } from '../objects/digest.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { IndexSet } from '../store/index-set.ts'
import type { Steps } from '../steps.ts'
import { MIB } from '../units.ts'
import type { Ahead } from './ahead.ts'
import type { StoreItem, StorePart } from './store-job.ts'
import type { Directories } from './directories.ts'
import type { Directory } from './directory.ts'
import { NODE_OBJECT } from './node-kind.ts'
import type { NodeKey } from './node-kind.ts'
import type { NodeTable } from './node-table.ts'
import { ReadPattern } from './read-pattern.ts'

/** Files up to this size are stored ahead, and so much of a directory at once. */
const MAX_STORED_FILE_BYTES = MIB
const MAX_BATCH_BYTES = 4 * MIB
const MAX_BATCH_FILES = 256
const FILES_A_STEP = 16

interface Plan {
  readonly directory: Directory
  readonly path: NodeKey
  /** The first entry to store. */
  readonly from: number
}

/** A file that is to be stored. */
interface Found {
  readonly index: number
  readonly key: NodeKey
  readonly parts: readonly StorePart[]
}

export interface StorePlannerOptions {
  readonly indexes: Pick<IndexSet, 'find'>
  readonly directories: Directories
  readonly nodes: NodeTable
  readonly ahead: Ahead
  /** Told of what is stored ahead: nobody will ask for it. */
  readonly onStored: ((chunk: Digest) => void) | undefined
}

export class StorePlanner {
  readonly #options: StorePlannerOptions
  readonly #pattern = new ReadPattern()
  #plan: Plan | undefined
  /** The directory whose files are being stored, and the job that does it. */
  #stored: { readonly tree: Digest; readonly job: number } | undefined

  constructor(options: StorePlannerOptions) {
    this.#options = options
  }

  /** Whether something is to be stored. */
  get hasPlan(): boolean {
    return this.#plan !== undefined
  }

  /** The first bytes of a file are asked for. */
  opened(nodeId: number): void {
    const { nodes, directories, ahead } = this.#options
    const tree = nodes.containerOf(nodeId)
    const index = nodes.indexOf(nodeId)
    if (this.#stored?.tree === tree) ahead.progress(this.#stored.job, index)
    const from = this.#pattern.onRead(tree, index)
    if (from === undefined) return
    const path = nodes.pathKeyAbove(nodeId)
    if (path !== undefined)
      this.#plan = { directory: directories.load(tree), path, from }
  }

  /** A directory was listed to its end. */
  listed(directory: Directory, path: NodeKey): void {
    if (this.#pattern.onListed(directory.tree))
      this.#plan = { directory, path, from: 0 }
  }

  /** Has the files of what is planned put into the page cache. */
  *store(): Steps<void> {
    const plan = this.#plan
    this.#plan = undefined
    if (plan === undefined) return
    const found: Found[] = []
    const index = yield* this.#find(plan, found)
    const marker =
      index < plan.directory.count
        ? found.splice(found.length >>> 1, 1)[0]?.index
        : undefined
    this.#pattern.planned(index, marker ?? Infinity)
    const items = this.#itemsOf(found)
    if (items.length > 0) {
      const job = this.#options.ahead.store(items)
      this.#stored = { tree: plan.directory.tree, job }
    }
  }

  /** Finds a batch of files that the kernel knows; returns where it ends. */
  *#find({ directory, path, from }: Plan, found: Found[]): Steps<number> {
    const isProbing = from === 0 && this.#pattern.isProbing
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
      if (this.#nodeOf(key) === undefined) continue
      found.push({ index, key, parts })
      bytes += object.sizeBytes
      if (found.length % FILES_A_STEP === 0) yield
    }
    return index
  }

  #nodeOf(key: NodeKey): number | undefined {
    return this.#options.nodes.find(NODE_OBJECT, 0, key)
  }

  /** Those that the kernel still knows: it may forget some between two steps. */
  #itemsOf(found: readonly Found[]): StoreItem[] {
    const { onStored } = this.#options
    const items: StoreItem[] = []
    for (const { index, key, parts } of found) {
      const nodeId = this.#nodeOf(key)
      if (nodeId === undefined) continue
      items.push({ index, nodeId, parts })
      if (onStored !== undefined)
        for (const { digest } of parts) onStored(digest)
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
        chunk === undefined ? undefined : this.#options.indexes.find(chunk)
      if (chunk === undefined || place === undefined) return undefined
      parts.push({ digest: chunk, place })
    }
    return parts
  }
}
