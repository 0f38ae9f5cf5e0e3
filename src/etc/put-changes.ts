/**
 * What a layer says once paths were put, as programs would do it in a mounted
 * /etc: a directory made where there was none is empty, and what stands in
 * place of a directory hides all that was in it. Pure.
 */

import { joinRaw } from '../tree/scan.ts'
import type { Maybe } from './etc-node.ts'
import type { Changes } from './layer.ts'
import { ancestorsOf, splitLast } from './raw-path.ts'
import type { Defaults } from './plan.ts'

/** A path (raw, relative to /etc) and what is to stand there, or nothing. */
export interface EtcPut {
  readonly path: string
  readonly node: Maybe
}

class PutChanges {
  readonly changes: Changes
  readonly #defaults: Defaults
  /** Paths with a change at or below them, by the directory they are in. */
  readonly #children = new Map<string, Set<string>>()

  constructor(changes: Changes, defaults: Defaults) {
    this.changes = new Map(changes)
    this.#defaults = defaults
    for (const path of changes.keys()) this.#link(path)
  }

  put({ path, node }: EtcPut): void {
    const isNew =
      node?.kind === 'directory' && this.#get(path)?.kind !== 'directory'
    if (node?.kind !== 'directory') this.#dropBelow(path)
    this.#set(path, node)
    if (isNew)
      for (const name of this.#defaults.names(path))
        this.#set(joinRaw(path, name), undefined)
  }

  #get(path: string): Maybe {
    for (const above of ancestorsOf(path))
      if (
        this.changes.has(above) &&
        this.changes.get(above)?.kind !== 'directory'
      )
        return undefined
    return this.changes.has(path)
      ? this.changes.get(path)
      : this.#defaults.get(path)
  }

  #set(path: string, node: Maybe): void {
    this.changes.set(path, node)
    this.#link(path)
  }

  #link(path: string): void {
    for (let at = path, parent = ''; at !== ''; at = parent) {
      parent = splitLast(at)[0]
      const known = this.#children.get(parent)
      if (known?.has(at) === true) return
      if (known === undefined) this.#children.set(parent, new Set([at]))
      else known.add(at)
    }
  }

  #dropBelow(path: string): void {
    const children = this.#children.get(path)
    this.#children.delete(path)
    for (const child of children ?? []) {
      this.#dropBelow(child)
      this.changes.delete(child)
    }
  }
}

/** The changes of a layer after `puts`, one after the other. */
export const putChanges = (
  changes: Changes,
  defaults: Defaults,
  puts: readonly EtcPut[],
): Changes => {
  const after = new PutChanges(changes, defaults)
  for (const put of puts) after.put(put)
  return after.changes
}
