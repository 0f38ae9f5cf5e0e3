/**
 * The node table: which object the kernel means by a node id.
 *
 * One row per node that the kernel knows, in typed arrays: no object per node,
 * memory proportional to what is touched, and a form that outlives the process
 * (shared-state.ts). A row says where its object stands (a tree and an index in
 * it), so the object itself may leave memory at any time.
 *
 * Identity (docs/fuse.md, "One superblock"):
 * - a file is one node in all commits that have it at its path;
 * - a directory is a node per place: keyed by commit root and path.
 *
 * Invariants: `lookups` is never negative; at zero the row is free, and its id
 * is used again only with another generation. Only this file counts.
 */

import type { Digest } from '../objects/digest.ts'
import { DendroError } from '../errors.ts'
import { FUSE_ROOT_ID } from '../fuse/layout.ts'
import { ROOT_PATH_KEY } from './node-identity.ts'
import { NodeIndex } from './node-index.ts'
import { NODE_DIRECTORY, NODE_FREE, NODE_ROOT } from './node-kind.ts'
import type { NodeIdentity, NodeKey, NodeKind } from './node-kind.ts'
import { KEY_WORDS, NodeRows } from './node-rows.ts'

const CONTAINER_BYTES = 32
const FIRST_ID = 2
/** The index of an object that is being placed elsewhere. */
const NOWHERE = 0xffffffff
const LOCAL_ROWS = 1 << 21

export class NodeTable {
  readonly #rows: NodeRows
  #count = 0
  #free: number[] = []
  /** Free rows whose ids may still be used by what `isHeld` stands for. */
  #held: number[] = []
  readonly #index: NodeIndex
  readonly #isHeld: () => boolean

  /**
   * A table over `rows`, with what they hold already. While `isHeld` says yes
   * somebody else may use ids he was told: none that becomes free then is
   * given to another object before it says no.
   */
  constructor(
    rows: NodeRows = NodeRows.local(LOCAL_ROWS),
    isHeld: () => boolean = () => false,
  ) {
    this.#rows = rows
    this.#index = new NodeIndex(rows)
    this.#isHeld = isHeld
    this.restore()
  }

  /**
   * Takes up the rows as another process left them, killed or not. A row that
   * it was filling is free: the kernel never heard of it.
   */
  restore(): void {
    const { kind, lookups, next } = this.#rows
    const end = Math.max(FIRST_ID, next[0] as number)
    next[0] = end
    this.#free = []
    this.#held = []
    this.#count = 0
    this.#index.clear(end)
    for (let nodeId = end - 1; nodeId >= FIRST_ID; nodeId--) {
      if (kind[nodeId] === NODE_FREE || lookups[nodeId] === 0) {
        kind[nodeId] = NODE_FREE
        this.#free.push(nodeId)
      } else {
        this.#index.add(nodeId)
        this.#count++
      }
    }
  }

  /** Ids of the nodes of one kind that the kernel knows. */
  *ofKind(kind: NodeKind): Generator<number, void, undefined> {
    const end = this.#rows.next[0] as number
    for (let nodeId = FIRST_ID; nodeId < end; nodeId++)
      if (this.#rows.kind[nodeId] === kind) yield nodeId
  }

  /** Nodes that the kernel knows. */
  get size(): number {
    return this.#count
  }

  kindOf(nodeId: number): NodeKind {
    const { kind, next } = this.#rows
    return nodeId < (next[0] as number) ? (kind[nodeId] as NodeKind) : NODE_FREE
  }

  /**
   * With the id it names a node for ever. Two mounts of a repository give out
   * the same ids, and who kept a handle of the one (overlayfs does, in its
   * upper layers) must not find another file with it in the other.
   */
  generationOf(nodeId: number): number {
    const { firstGeneration, generation } = this.#rows
    return (firstGeneration + (generation[nodeId] as number)) >>> 0
  }

  /** The commit root node of a directory (itself for a root). */
  placeOf(nodeId: number): number {
    return this.kindOf(nodeId) === NODE_ROOT
      ? nodeId
      : (this.#rows.place[nodeId] as number)
  }

  indexOf(nodeId: number): number {
    return this.#rows.index[nodeId] as number
  }

  /** The tree (or, for a root, the commit) that holds the object. */
  containerOf(nodeId: number): Digest {
    const { buffer, byteOffset } = this.#rows.container
    const at = byteOffset + nodeId * CONTAINER_BYTES
    const bytes = Buffer.from(buffer, at, CONTAINER_BYTES)
    return bytes.toString('latin1') as Digest
  }

  /** Whether the row says where its object stands: not while that changes. */
  isPlaced(nodeId: number): boolean {
    return this.indexOf(nodeId) !== NOWHERE
  }

  /** Notes where the object of a node stands now. */
  place(nodeId: number, container: Uint8Array, index: number): void {
    // A server may be killed between any two of these.
    this.#rows.index[nodeId] = NOWHERE
    this.#rows.container.set(container, nodeId * CONTAINER_BYTES)
    this.#rows.index[nodeId] = index
  }

  /** The key's 16 bytes. A copy. */
  keyOf(nodeId: number): NodeKey {
    return this.#rows.key.slice(nodeId * KEY_WORDS, (nodeId + 1) * KEY_WORDS)
  }

  /** The path key of a directory of a commit. A copy. */
  pathKeyOf(nodeId: number): NodeKey {
    return nodeId === FUSE_ROOT_ID || this.kindOf(nodeId) === NODE_ROOT
      ? ROOT_PATH_KEY
      : this.keyOf(nodeId)
  }

  /**
   * The path key of the directory that an object was last met in; undefined
   * where that is gone. A guess: its row may be another's meanwhile.
   */
  pathKeyAbove(nodeId: number): NodeKey | undefined {
    const above = this.#rows.place[nodeId] as number
    const kind = this.kindOf(above)
    const isDirectory =
      above === FUSE_ROOT_ID || kind === NODE_ROOT || kind === NODE_DIRECTORY
    return isDirectory ? this.pathKeyOf(above) : undefined
  }

  /**
   * The node with this identity, made if there is none; counts one lookup.
   * `container` and `index` say where its object stands. What is passed is not
   * kept.
   */
  acquire(
    identity: NodeIdentity,
    container: Uint8Array,
    index: number,
  ): number {
    let slot = this.#index.slotOf(identity)
    let nodeId = this.#index.at(slot)
    const { place, lookups } = this.#rows
    if (nodeId === 0) {
      if (this.#index.isFull(this.#count)) {
        this.#index.grow()
        slot = this.#index.slotOf(identity)
      }
      nodeId = this.#allocate()
      this.#index.put(slot, nodeId)
      this.#fill(nodeId, identity, container, index)
      this.#count++
    }
    place[nodeId] = identity.place
    lookups[nodeId] = (lookups[nodeId] as number) + 1
    return nodeId
  }

  #fill(
    nodeId: number,
    { kind, keys, keyAt }: NodeIdentity,
    container: Uint8Array,
    index: number,
  ): void {
    const rows = this.#rows
    for (let i = 0; i < KEY_WORDS; i++)
      rows.key[nodeId * KEY_WORDS + i] = keys[keyAt + i] as number
    rows.container.set(container, nodeId * CONTAINER_BYTES)
    rows.index[nodeId] = index
    rows.kind[nodeId] = kind
  }

  /** The node with this identity if the kernel knows it; counts nothing. */
  find(kind: NodeKind, place: number, keys: NodeKey): number | undefined {
    const identity = { kind, place, keys, keyAt: 0 }
    const nodeId = this.#index.at(this.#index.slotOf(identity))
    return nodeId === 0 ? undefined : nodeId
  }

  /** The kernel dropped `count` lookups. True when the node is gone. */
  forget(nodeId: number, count: number): boolean {
    if (this.kindOf(nodeId) === NODE_FREE) return false
    const left = (this.#rows.lookups[nodeId] as number) - count
    if (left > 0) {
      this.#rows.lookups[nodeId] = left
      return false
    }
    this.#remove(nodeId)
    return true
  }

  /** A free row. Errors: `LIMIT_EXCEEDED`. */
  #allocate(): number {
    const { generation, next, capacity } = this.#rows
    if (this.#free.length === 0 && this.#held.length > 0 && !this.#isHeld()) {
      this.#free = this.#held
      this.#held = []
    }
    const reused = this.#free.pop()
    if (reused !== undefined) {
      generation[reused] = (generation[reused] as number) + 1
      return reused
    }
    const nodeId = next[0] as number
    if (nodeId >= capacity)
      throw new DendroError(
        'LIMIT_EXCEEDED',
        `the kernel holds ${capacity} nodes of this mount, as many as the server can keep`,
        {
          hint: 'close files and drop caches: echo 2 > /proc/sys/vm/drop_caches',
        },
      )
    next[0] = nodeId + 1
    return nodeId
  }

  #remove(nodeId: number): void {
    this.#index.remove(nodeId)
    this.#rows.kind[nodeId] = NODE_FREE
    this.#rows.lookups[nodeId] = 0
    if (this.#isHeld()) this.#held.push(nodeId)
    else this.#free.push(nodeId)
    this.#count--
  }
}
