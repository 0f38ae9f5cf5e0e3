/** dendro undeploy: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DEPLOYMENT } from './values.ts'

export const definition = defineVerb({
  name: 'undeploy',
  summary: 'remove a deployment; neither a running nor a pinned one',
  about:
    'Its /etc stays in "dendro etc log", and "dendro undo" brings it back.',
  options: {},
  forms: [{ operands: [DEPLOYMENT], options: [] }],
})
