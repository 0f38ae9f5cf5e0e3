/** An /etc as programs see it: what a layer says, over defaults. */

import { joinRaw } from '../tree/scan.ts'
import type { CommitDefaults } from './defaults.ts'
import type { Maybe } from './etc-node.ts'
import type { Changes } from './layer.ts'
import { ancestorsOf } from './plan.ts'

const isAtOrBelow = (path: string, above: string): boolean =>
  above === '' || path === above || path.startsWith(`${above}/`)

export class EffectiveEtc {
  readonly #changes: Changes
  readonly #defaults: CommitDefaults

  constructor(changes: Changes, defaults: CommitDefaults) {
    this.#changes = changes
    this.#defaults = defaults
  }

  /** What stands at a raw path relative to /etc. */
  get(path: string): Maybe {
    const isHidden = ancestorsOf(path).some(
      above =>
        this.#changes.has(above) &&
        this.#changes.get(above)?.kind !== 'directory',
    )
    if (isHidden) return undefined
    return this.#changes.has(path)
      ? this.#changes.get(path)
      : this.#defaults.get(path)
  }

  /** Every path at or below `above` that may have something. */
  paths(above: string): Set<string> {
    const found = new Set([above])
    const visit = (directory: string): void => {
      for (const name of this.#defaults.names(directory)) {
        const child = joinRaw(directory, name)
        found.add(child)
        visit(child)
      }
    }
    visit(above)
    for (const path of this.#changes.keys())
      if (isAtOrBelow(path, above)) found.add(path)
    return found
  }
}
