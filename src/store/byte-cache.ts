/**
 * A cache bounded by bytes that always keeps the value used last.
 *
 * A value larger than the whole budget (the tree of a directory with a million
 * entries, say) would otherwise be made again for every look into it.
 */

import { LRUCache } from 'lru-cache'

export class ByteCache<V extends object> {
  readonly #cache: LRUCache<string, V>
  readonly #maxBytes: number
  readonly #sizeOf: (value: V) => number
  #large: { readonly key: string; readonly value: V } | undefined

  /**
   * `sizeOf` estimates what a value takes in memory; `onEvicted` is told of
   * values that leave the cache, but for the large one.
   */
  constructor(
    maxBytes: number,
    sizeOf: (value: V) => number,
    onEvicted: (value: V) => void = () => undefined,
  ) {
    this.#maxBytes = maxBytes
    this.#sizeOf = sizeOf
    this.#cache = new LRUCache({ maxSize: maxBytes, dispose: onEvicted })
  }

  get(key: string): V | undefined {
    if (this.#large?.key === key) return this.#large.value
    return this.#cache.get(key)
  }

  set(key: string, value: V): void {
    const size = Math.max(1, Math.ceil(this.#sizeOf(value)))
    if (size > this.#maxBytes) this.#large = { key, value }
    else this.#cache.set(key, value, { size })
  }

  clear(): void {
    this.#cache.clear()
    this.#large = undefined
  }
}
