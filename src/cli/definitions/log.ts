/** dendro log: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'log',
  summary: 'show the history of REV, newest first',
  options: {
    count: {
      help: 'the newest COUNT commits',
      short: 'n',
      isShownShort: true,
      value: { label: 'COUNT', kind: 'number' },
    },
  },
  forms: [{ operands: [REVISION], options: ['count'] }],
})
