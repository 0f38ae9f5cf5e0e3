/** dendro fsck: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'fsck',
  summary: 'check the repository; exit status 3 when damage is found',
  about:
    'Structure, digests and reachability, naming the commits and paths that damage touches.',
  options: {
    quick: { help: 'structure and reachability; no contents are read' },
    since: {
      help: 'check only what came since',
      value: { label: 'last|DATE|REV', kind: 'revision', words: ['last'] },
      details: [
        [
          '--since last, --since DATE, --since REV',
          'read only the contents of packs, and follow only commits, that came since the last whole check, a date (2026-01-27 or 2026-01-27T12:30, UTC), or REV',
        ],
      ],
    },
    repair: {
      help: 'take good copies from other packs and from each --from, save what is whole in damaged packs (which move to quarantine/), and build the indexes again; exit status 0 when no damage is left',
    },
    from: {
      help: 'a repository or a checked-out tree that may hold good copies',
      value: { label: 'DIR', kind: 'directory' },
      isMany: true,
      needs: 'repair',
    },
  },
  forms: [{ operands: [], options: ['quick', 'since', 'repair', 'from'] }],
})
