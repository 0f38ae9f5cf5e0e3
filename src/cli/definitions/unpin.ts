/** dendro unpin: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DEPLOYMENT } from './values.ts'

export const definition = defineVerb({
  name: 'unpin',
  summary: 'let a pinned deployment go like the others',
  options: {},
  forms: [{ operands: [DEPLOYMENT], options: [] }],
})
