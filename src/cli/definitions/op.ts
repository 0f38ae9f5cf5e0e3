/** dendro op: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'op',
  summary: 'list what was done: refs moved, deployments, changes of /etc',
  about: 'Newest first. "dendro undo ID" takes an operation back.',
  options: {
    count: {
      help: 'the newest N; 1000 when absent',
      short: 'n',
      isShownShort: true,
      value: { label: 'N', kind: 'number' },
    },
  },
  forms: [{ action: 'log', operands: [], options: ['count'] }],
})
