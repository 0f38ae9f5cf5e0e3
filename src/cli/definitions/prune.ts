/** dendro prune: what it takes. */

import { defineVerb } from './verb-definition.ts'

const COUNT = { label: 'N', kind: 'number' } as const

export const definition = defineVerb({
  name: 'prune',
  summary: 'remove commits that nothing keeps, and give their space back',
  about:
    'Without rules what no ref and no tag reaches goes. With rules each ref keeps its newest commit and those that a rule names. Commits that a mount uses stay.',
  options: {
    'keep-last': { help: 'the newest N of each ref', value: COUNT },
    'keep-daily': {
      help: 'the newest commit of each of the N latest days (UTC) that have any',
      value: COUNT,
    },
    'keep-weekly': { help: 'the same by ISO weeks', value: COUNT },
    'keep-tag': {
      help: 'only tags that match keep their commits; the others go with theirs',
      value: { label: 'GLOB', kind: 'tag' },
      isMany: true,
    },
    repack: {
      help: 'write all that stays again into one pack of each kind, compressed better than a commit does; reading it is no slower. Until that is done it needs the room twice',
    },
    level: {
      help: 'the level of zstd for `--repack`, 1 to 19; 9 when absent. Commits use 3',
      value: { label: 'N', kind: 'number', min: 1, max: 19 },
      needs: 'repack',
    },
    'dry-run': {
      help: 'change nothing, and tell exactly what would be removed and freed',
      short: 'n',
    },
  },
  forms: [
    {
      operands: [],
      options: [
        'keep-last',
        'keep-daily',
        'keep-weekly',
        'keep-tag',
        'repack',
        'level',
        'dry-run',
      ],
    },
  ],
})
