/**
 * The node table: which object the kernel means by a node id.
 *
 * One row per node that the kernel knows, in typed arrays: no object per node,
 * memory proportional to what is touched, and a form that can be shared with
 * another process. A row says where its object stands (a tree and an index in
 * it), so the object itself may leave memory at any time.
 *
 * Identity (docs/fuse.md, "One superblock"):
 * - a file object is one node in all commits: keyed by its digest;
 * - a directory is a node per place: keyed by commit root and path.
 *
 * Invariants: `lookups` is never negative; at zero the row is free, and its id
 * is used again only with another generation. Only this file counts.
 */

import type { Digest } from '../objects/digest.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'

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

const KEY_WORDS = 4
const CONTAINER_BYTES = 32
const INITIAL_ROWS = 4096
const FIRST_ID = 2

/** 128 bits that identify a node among those of its kind and place. */
export type NodeKey = Uint32Array

const grow = <T extends Uint8Array | Uint32Array | Int32Array>(
  old: T,
  length: number,
  make: (length: number) => T,
): T => {
  const larger = make(length)
  larger.set(old)
  return larger
}

export class NodeTable {
  #rows = INITIAL_ROWS
  #next = FIRST_ID
  #count = 0
  #free: number[] = []
  #kind = new Uint8Array(INITIAL_ROWS)
  #lookups = new Uint32Array(INITIAL_ROWS)
  #generation = new Uint32Array(INITIAL_ROWS)
  #index = new Uint32Array(INITIAL_ROWS)
  /** The commit root of a directory; 0 for all other kinds. */
  #place = new Uint32Array(INITIAL_ROWS)
  #key = new Uint32Array(INITIAL_ROWS * KEY_WORDS)
  #container = new Uint8Array(INITIAL_ROWS * CONTAINER_BYTES)
  /** Open addressing with linear probing; 0 is empty. */
  #slots = new Int32Array(INITIAL_ROWS * 2)

  /** Nodes that the kernel knows. */
  get size(): number {
    return this.#count
  }

  kindOf(nodeId: number): NodeKind {
    return nodeId < this.#next ? (this.#kind[nodeId] as NodeKind) : NODE_FREE
  }

  generationOf(nodeId: number): number {
    return this.#generation[nodeId] as number
  }

  /** The commit root node of a directory (itself for a root). */
  placeOf(nodeId: number): number {
    return this.kindOf(nodeId) === NODE_ROOT
      ? nodeId
      : (this.#place[nodeId] as number)
  }

  indexOf(nodeId: number): number {
    return this.#index[nodeId] as number
  }

  /** The tree (or, for a root, the commit) that holds the object. */
  containerOf(nodeId: number): Digest {
    const at = nodeId * CONTAINER_BYTES
    return Buffer.from(this.#container.buffer, at, CONTAINER_BYTES).toString(
      'latin1',
    ) as Digest
  }

  /** The key's 16 bytes: of a directory, the hash of its path. A copy. */
  keyOf(nodeId: number): NodeKey {
    return this.#key.slice(nodeId * KEY_WORDS, (nodeId + 1) * KEY_WORDS)
  }

  /**
   * The node with this identity, made if there is none; counts one lookup.
   * `container` and `index` say where its object stands.
   */
  acquire(
    kind: NodeKind,
    place: number,
    key: NodeKey,
    container: Digest,
    index: number,
  ): number {
    let slot = this.#slotOf(kind, place, key)
    let nodeId = this.#slots[slot] as number
    if (nodeId === 0) {
      if (this.#count * 2 >= this.#slots.length) {
        this.#rehash(this.#slots.length * 2)
        slot = this.#slotOf(kind, place, key)
      }
      nodeId = this.#allocate()
      this.#slots[slot] = nodeId
      this.#kind[nodeId] = kind
      this.#place[nodeId] = place
      this.#key.set(key, nodeId * KEY_WORDS)
      this.#container.set(latin1ToBytes(container), nodeId * CONTAINER_BYTES)
      this.#index[nodeId] = index
      this.#count++
    }
    this.#lookups[nodeId] = (this.#lookups[nodeId] as number) + 1
    return nodeId
  }

  /** The node with this identity if the kernel knows it; counts nothing. */
  find(kind: NodeKind, place: number, key: NodeKey): number | undefined {
    const nodeId = this.#slots[this.#slotOf(kind, place, key)] as number
    return nodeId === 0 ? undefined : nodeId
  }

  /** The kernel dropped `count` lookups. True when the node is gone. */
  forget(nodeId: number, count: number): boolean {
    if (this.kindOf(nodeId) === NODE_FREE) return false
    const left = (this.#lookups[nodeId] as number) - count
    if (left > 0) {
      this.#lookups[nodeId] = left
      return false
    }
    this.#remove(nodeId)
    return true
  }

  #allocate(): number {
    const reused = this.#free.pop()
    if (reused !== undefined) {
      this.#generation[reused] = (this.#generation[reused] as number) + 1
      return reused
    }
    if (this.#next >= this.#rows) this.#grow()
    return this.#next++
  }

  #grow(): void {
    const rows = this.#rows * 2
    const u32 = (length: number) => new Uint32Array(length)
    const u8 = (length: number) => new Uint8Array(length)
    this.#kind = grow(this.#kind, rows, u8)
    this.#lookups = grow(this.#lookups, rows, u32)
    this.#generation = grow(this.#generation, rows, u32)
    this.#index = grow(this.#index, rows, u32)
    this.#place = grow(this.#place, rows, u32)
    this.#key = grow(this.#key, rows * KEY_WORDS, u32)
    this.#container = grow(this.#container, rows * CONTAINER_BYTES, u8)
    this.#rows = rows
  }

  #hash(kind: number, place: number, key0: number): number {
    return (
      Math.imul(key0 ^ Math.imul(place, 0x9e3779b1) ^ kind, 0x85ebca6b) >>> 0
    )
  }

  #home(nodeId: number): number {
    const hash = this.#hash(
      this.#kind[nodeId] as number,
      this.#place[nodeId] as number,
      this.#key[nodeId * KEY_WORDS] as number,
    )
    return hash % this.#slots.length
  }

  /** The slot that holds the identity, or the empty one where it belongs. */
  #slotOf(kind: number, place: number, key: NodeKey): number {
    const slots = this.#slots
    let slot = this.#hash(kind, place, key[0] as number) % slots.length
    for (;;) {
      const nodeId = slots[slot] as number
      if (nodeId === 0) return slot
      const at = nodeId * KEY_WORDS
      if (
        this.#key[at] === key[0] &&
        this.#key[at + 1] === key[1] &&
        this.#key[at + 2] === key[2] &&
        this.#key[at + 3] === key[3] &&
        this.#kind[nodeId] === kind &&
        this.#place[nodeId] === place
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
    this.#kind[nodeId] = NODE_FREE
    this.#lookups[nodeId] = 0
    this.#free.push(nodeId)
    this.#count--
  }

  #rehash(length: number): void {
    const old = this.#slots
    this.#slots = new Int32Array(length)
    for (const nodeId of old) {
      if (nodeId === 0) continue
      let slot = this.#home(nodeId)
      while (this.#slots[slot] !== 0) slot = slot + 1 === length ? 0 : slot + 1
      this.#slots[slot] = nodeId
    }
  }
}
