/** dendro diff: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'diff',
  summary: 'list the paths that differ between two commits',
  about:
    'A added, D deleted, M modified, T another type. Equal subtrees are not opened, so the time goes with the changes.',
  options: { stat: { help: 'with sizes, and sums at the end' } },
  forms: [
    {
      operands: [
        { ...REVISION, name: 'before', label: 'A' },
        { ...REVISION, name: 'after', label: 'B' },
      ],
      options: ['stat'],
    },
  ],
})
