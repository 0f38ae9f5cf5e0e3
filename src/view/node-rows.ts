/**
 * The rows of the node table: typed arrays over one buffer, which several
 * processes may share one after another.
 *
 * The order of writes matters, for the writer may be killed between any two:
 * a row counts only when its kind and its lookups are both set, `next` is
 * raised before a row behind it is filled, and a row is freed by its kind first.
 */

export const KEY_WORDS = 4
const CONTAINER_BYTES = 32
/** lookups, generation, index, place, key, container, kind. */
export const ROW_BYTES = 4 * 4 + KEY_WORDS * 4 + CONTAINER_BYTES + 1

/** What stands beside the rows. */
interface RowsBeside {
  /** One number. */
  readonly next: Uint32Array
  readonly firstGeneration?: number
}

export class NodeRows {
  readonly capacity: number
  /** One number: the row behind the last one ever used. */
  readonly next: Uint32Array
  /** Where generations begin: another number in each mount. */
  readonly firstGeneration: number
  readonly kind: Uint8Array
  readonly lookups: Uint32Array
  /** How often the row was used before. */
  readonly generation: Uint32Array
  readonly index: Uint32Array
  /**
   * The commit root of a directory. Of what is no directory, the one that it
   * was last met in: a hint, for that row may be another's since.
   */
  readonly place: Uint32Array
  readonly key: Uint32Array
  readonly container: Uint8Array

  /** Rows in `buffer` from `offset` (a multiple of 4). */
  constructor(
    buffer: ArrayBuffer,
    offset: number,
    capacity: number,
    { next, firstGeneration = 0 }: RowsBeside,
  ) {
    this.capacity = capacity
    this.next = next
    this.firstGeneration = firstGeneration
    let at = offset
    const words = (count: number): Uint32Array => {
      const array = new Uint32Array(buffer, at, count)
      at += count * 4
      return array
    }
    this.lookups = words(capacity)
    this.generation = words(capacity)
    this.index = words(capacity)
    this.place = words(capacity)
    this.key = words(capacity * KEY_WORDS)
    this.container = new Uint8Array(buffer, at, capacity * CONTAINER_BYTES)
    at += capacity * CONTAINER_BYTES
    this.kind = new Uint8Array(buffer, at, capacity)
  }

  /** Rows of this process alone. */
  static local(capacity: number): NodeRows {
    const buffer = new ArrayBuffer(capacity * ROW_BYTES)
    return new NodeRows(buffer, 0, capacity, { next: new Uint32Array(1) })
  }
}
