/** An /etc as programs see it: what a layer says, over defaults. */

import { joinRaw } from '../tree/scan.ts'
import type { CommitDefaults } from './defaults.ts'
import { isSameNode } from './etc-node.ts'
import type { Maybe } from './etc-node.ts'
import type { Changes } from './layer.ts'
import { ancestorsOf, byPath, isAtOrBelow, splitLast } from './raw-path.ts'

export class EffectiveEtc {
  readonly changes: Changes
  readonly defaults: CommitDefaults

  constructor(changes: Changes, defaults: CommitDefaults) {
    this.changes = changes
    this.defaults = defaults
  }

  /** What stands at a raw path relative to /etc. */
  get(path: string): Maybe {
    const isHidden = ancestorsOf(path).some(
      above =>
        this.changes.has(above) &&
        this.changes.get(above)?.kind !== 'directory',
    )
    if (isHidden) return undefined
    return this.changes.has(path)
      ? this.changes.get(path)
      : this.defaults.get(path)
  }

  /** Names in a directory; none where it is no directory. */
  names(path: string): string[] {
    const named = [...this.changes.keys()].flatMap(key => {
      const [above, name] = splitLast(key)
      return above === path && name !== '' ? name : []
    })
    const all = new Set([...this.defaults.names(path), ...named])
    return [...all].filter(name => this.get(joinRaw(path, name)) !== undefined)
  }

  /** Every path at or below `above` that may have something. */
  paths(above: string): Set<string> {
    const found = new Set([above, ...defaultsBelow(this.defaults, above)])
    for (const path of this.changes.keys())
      if (isAtOrBelow(path, above)) found.add(path)
    return found
  }

  /** Those that may differ from the defaults, and what such a path hides. */
  changedPaths(above: string): Set<string> {
    const found = new Set<string>()
    const add = (path: string): void => {
      found.add(path)
      if (this.get(path)?.kind === 'directory') return
      for (const below of defaultsBelow(this.defaults, path)) found.add(below)
    }
    add(above)
    for (const path of this.changes.keys())
      if (isAtOrBelow(path, above)) add(path)
    return found
  }
}

function* defaultsBelow(
  defaults: CommitDefaults,
  above: string,
): Generator<string> {
  for (const name of defaults.names(above)) {
    const child = joinRaw(above, name)
    yield child
    yield* defaultsBelow(defaults, child)
  }
}

/** Paths at and below `above` where the two differ; a directory comes first. */
export const differingPaths = (
  a: EffectiveEtc,
  b: EffectiveEtc,
  above: readonly string[],
): string[] => {
  const isSameBelow = a.defaults === b.defaults
  const of = (etc: EffectiveEtc, path: string) =>
    isSameBelow ? etc.changedPaths(path) : etc.paths(path)
  const all = new Set(above.flatMap(path => [...of(a, path), ...of(b, path)]))
  return [...all]
    .filter(path => !isSameNode(a.get(path), b.get(path)))
    .sort(byPath)
}
