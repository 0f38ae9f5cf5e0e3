/** What the layer changed of the defaults: read from the layer alone. */

import type { CommitDefaults } from './defaults.ts'
import { changedMetadata, hasSameContent, isSameNode } from './etc-node.ts'
import type { Maybe } from './etc-node.ts'
import type { Changes } from './layer.ts'

export interface EtcChange {
  /** Added, deleted, modified, or another type. */
  readonly kind: 'A' | 'D' | 'M' | 'T'
  /** Raw path relative to /etc; empty for /etc itself. */
  readonly path: string
  readonly before: Maybe
  readonly after: Maybe
  /** `content`, `mode`, `owner`, `group`, `xattrs`: what of it was modified. */
  readonly fields: readonly string[]
}

/** In path order. A copy that equals its default is no change. */
export const diffEtc = (
  changes: Changes,
  defaults: CommitDefaults,
): EtcChange[] =>
  [...changes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([path, after]): EtcChange[] => {
      const before = defaults.get(path)
      if (isSameNode(before, after)) return []
      if (before === undefined)
        return [{ kind: 'A', path, before, after, fields: [] }]
      if (after === undefined)
        return [{ kind: 'D', path, before, after, fields: [] }]
      if (before.kind !== after.kind)
        return [{ kind: 'T', path, before, after, fields: [] }]
      const fields = [
        ...(hasSameContent(before, after) ? [] : ['content']),
        ...changedMetadata(before, after),
      ]
      return [{ kind: 'M', path, before, after, fields }]
    })
