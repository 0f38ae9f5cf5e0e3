/** Paths of /etc that stay mine whatever the commits say. Pure. */

import { isAtOrBelow } from './raw-path.ts'

export class OwnedPaths {
  /** As they were named, raw and relative to /etc. */
  readonly roots: readonly string[]

  constructor(roots: readonly string[]) {
    this.roots = roots
  }

  /** Whether a path is owned: by itself, or as part of an owned directory. */
  has(path: string): boolean {
    return this.roots.some(root => isAtOrBelow(path, root))
  }
}
