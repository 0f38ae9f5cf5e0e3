/** dendro pin: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DEPLOYMENT } from './values.ts'

export const definition = defineVerb({
  name: 'pin',
  summary: 'keep a deployment until it is unpinned',
  options: {},
  forms: [{ operands: [DEPLOYMENT], options: [] }],
})
