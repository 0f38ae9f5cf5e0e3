/**
 * Finds rows of the node table by what a node is: open addressing with linear
 * probing over the rows' own keys.
 */

import { KEY_WORDS } from './node-rows.ts'
import type { NodeRows } from './node-rows.ts'
import { NODE_OBJECT } from './node-kind.ts'
import type { NodeIdentity } from './node-kind.ts'

const INITIAL_SLOTS = 8192

export class NodeIndex {
  readonly #rows: NodeRows
  /** Node ids; 0 is empty. */
  #slots = new Int32Array(INITIAL_SLOTS)

  constructor(rows: NodeRows) {
    this.#rows = rows
  }

  /** Forgets all; there will be up to `nodes`. */
  clear(nodes: number): void {
    let slots = INITIAL_SLOTS
    while (slots < nodes * 2) slots *= 2
    this.#slots = new Int32Array(slots)
  }

  /** Whether `nodes` are as many as there is room for: then `grow` before the next. */
  isFull(nodes: number): boolean {
    return nodes * 2 >= this.#slots.length
  }

  /** Makes room for twice as many; slots that were told are not good any more. */
  grow(): void {
    const old = this.#slots
    this.#slots = new Int32Array(old.length * 2)
    for (const nodeId of old) if (nodeId !== 0) this.add(nodeId)
  }

  /** The slot that holds the identity, or the empty one where it belongs. */
  slotOf({ kind, place, keys, keyAt }: NodeIdentity): number {
    const slots = this.#slots
    const { key: known, kind: kinds, place: places } = this.#rows
    let slot = hash(kind, place, keys[keyAt] as number) % slots.length
    for (;;) {
      const nodeId = slots[slot] as number
      if (nodeId === 0) return slot
      const at = nodeId * KEY_WORDS
      if (
        known[at] === keys[keyAt] &&
        known[at + 1] === keys[keyAt + 1] &&
        known[at + 2] === keys[keyAt + 2] &&
        known[at + 3] === keys[keyAt + 3] &&
        kinds[nodeId] === kind &&
        (kind === NODE_OBJECT || places[nodeId] === place)
      )
        return slot
      slot = slot + 1 === slots.length ? 0 : slot + 1
    }
  }

  /** The node in a slot; 0: none. */
  at(slot: number): number {
    return this.#slots[slot] as number
  }

  /** Puts a node into the slot where it belongs. */
  put(slot: number, nodeId: number): void {
    this.#slots[slot] = nodeId
  }

  /** Puts a row that is filled into the first free slot from its home on. */
  add(nodeId: number): void {
    const { length } = this.#slots
    let slot = this.#home(nodeId)
    while (this.#slots[slot] !== 0) slot = slot + 1 === length ? 0 : slot + 1
    this.#slots[slot] = nodeId
  }

  /** Takes out a node whose row is still filled, and moves back what probed past it. */
  remove(nodeId: number): void {
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
  }

  #home(nodeId: number): number {
    const { kind, place, key } = this.#rows
    return (
      hash(
        kind[nodeId] as number,
        place[nodeId] as number,
        key[nodeId * KEY_WORDS] as number,
      ) % this.#slots.length
    )
  }
}

const hash = (kind: number, place: number, key0: number): number => {
  const own = kind === NODE_OBJECT ? 0 : place
  return Math.imul(key0 ^ Math.imul(own, 0x9e3779b1) ^ kind, 0x85ebca6b) >>> 0
}
