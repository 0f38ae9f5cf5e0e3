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
import { KEY_WORDS, NodeRows } from './node-rows.ts'

export const NODE_FREE = 0
/** A directory or link of the view itself. */
export const NODE_VIRTUAL = 1
/** The root directory of a commit. */
export const NODE_ROOT = 2
/** A directory inside a commit. */
export const NODE_DIRECTORY = 3
/** Anything else inside a commit. */
export const NODE_OBJECT = 4

export type NodeKind = 0 | 1 | 2 | 3 | 4

const CONTAINER_BYTES = 32
const FIRST_ID = 2
/** The index of an object that is being placed elsewhere. */
const NOWHERE = 0xffffffff
const INITIAL_SLOTS = 8192
const LOCAL_ROWS = 1 << 21

/** 128 bits that identify a node among those of its kind and place. */
export type NodeKey = Uint32Array

export class NodeTable {
  readonly #rows: NodeRows
  #count = 0
  #free: number[] = []
  /** Free rows whose ids may still be used by what `isHeld` stands for. */
  #held: number[] = []
  /** Open addressing with linear probing; 0 is empty. */
  #slots = new Int32Array(INITIAL_SLOTS)

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
    let slots = INITIAL_SLOTS
    while (slots < end * 2) slots *= 2
    this.#slots = new Int32Array(slots)
    for (let nodeId = end - 1; nodeId >= FIRST_ID; nodeId--) {
      if (kind[nodeId] === NODE_FREE || lookups[nodeId] === 0) {
        kind[nodeId] = NODE_FREE
        this.#free.push(nodeId)
      } else {
        this.#addSlot(nodeId)
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
   * `place` is the commit root of a directory, and the directory of an object:
   * where one is met is no part of what it is. `container` and `index` say
   * where its object stands; the key is four words of `key` from `keyAt` on.
   */
  acquire(
    kind: NodeKind,
    place: number,
    key: NodeKey,
    container: Uint8Array,
    index: number,
    keyAt = 0,
  ): number {
    let slot = this.#slotOf(kind, place, key, keyAt)
    let nodeId = this.#slots[slot] as number
    if (nodeId === 0) {
      if (this.#count * 2 >= this.#slots.length) {
        this.#rehash(this.#slots.length * 2)
        slot = this.#slotOf(kind, place, key, keyAt)
      }
      nodeId = this.#allocate()
      this.#slots[slot] = nodeId
      const { key: keys } = this.#rows
      for (let i = 0; i < KEY_WORDS; i++)
        keys[nodeId * KEY_WORDS + i] = key[keyAt + i] as number
      this.#rows.container.set(container, nodeId * CONTAINER_BYTES)
      this.#rows.index[nodeId] = index
      this.#rows.kind[nodeId] = kind
      this.#count++
    }
    this.#rows.place[nodeId] = place
    this.#rows.lookups[nodeId] = (this.#rows.lookups[nodeId] as number) + 1
    return nodeId
  }

  /** The node with this identity if the kernel knows it; counts nothing. */
  find(
    kind: NodeKind,
    place: number,
    key: NodeKey,
    keyAt = 0,
  ): number | undefined {
    const nodeId = this.#slots[this.#slotOf(kind, place, key, keyAt)] as number
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

  #hash(kind: number, place: number, key0: number): number {
    const own = kind === NODE_OBJECT ? 0 : place
    return Math.imul(key0 ^ Math.imul(own, 0x9e3779b1) ^ kind, 0x85ebca6b) >>> 0
  }

  #home(nodeId: number): number {
    const hash = this.#hash(
      this.#rows.kind[nodeId] as number,
      this.#rows.place[nodeId] as number,
      this.#rows.key[nodeId * KEY_WORDS] as number,
    )
    return hash % this.#slots.length
  }

  /** The slot that holds the identity, or the empty one where it belongs. */
  #slotOf(kind: number, place: number, key: NodeKey, keyAt: number): number {
    const slots = this.#slots
    const { key: keys, kind: kinds, place: places } = this.#rows
    let slot = this.#hash(kind, place, key[keyAt] as number) % slots.length
    for (;;) {
      const nodeId = slots[slot] as number
      if (nodeId === 0) return slot
      const at = nodeId * KEY_WORDS
      if (
        keys[at] === key[keyAt] &&
        keys[at + 1] === key[keyAt + 1] &&
        keys[at + 2] === key[keyAt + 2] &&
        keys[at + 3] === key[keyAt + 3] &&
        kinds[nodeId] === kind &&
        (kind === NODE_OBJECT || places[nodeId] === place)
      )
        return slot
      slot = slot + 1 === slots.length ? 0 : slot + 1
    }
  }

  /** Empties the row, and moves back what probed past its slot. */
  #remove(nodeId: number): void {
    const slots = this.#slots
    const length = slots.length
    let hole = this.#home(nodeId)
    while (slots[hole] !== nodeId) hole = hole + 1 === length ? 0 : hole + 1
    slots[hole] = 0
    for (let next = (hole + 1) % length; slots[next] !== 0;) {
      const moved = slots[next] as number
      const distance = (next - this.#home(moved) + length) % length
      if (distance >= (next - hole + length) % length) {
        slots[hole] = moved
        slots[next] = 0
        hole = next
      }
      next = (next + 1) % length
    }
    this.#rows.kind[nodeId] = NODE_FREE
    this.#rows.lookups[nodeId] = 0
    if (this.#isHeld()) this.#held.push(nodeId)
    else this.#free.push(nodeId)
    this.#count--
  }

  #rehash(length: number): void {
    const old = this.#slots
    this.#slots = new Int32Array(length)
    for (const nodeId of old) {
      if (nodeId === 0) continue
      this.#addSlot(nodeId)
    }
  }

  /** Puts a row into the first free slot from its home on. */
  #addSlot(nodeId: number): void {
    const { length } = this.#slots
    let slot = this.#home(nodeId)
    while (this.#slots[slot] !== 0) slot = slot + 1 === length ? 0 : slot + 1
    this.#slots[slot] = nodeId
  }
}
