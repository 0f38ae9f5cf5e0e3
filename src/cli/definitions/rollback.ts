/** dendro rollback: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { OPTIONAL_DEPLOYMENT } from './values.ts'

export const definition = defineVerb({
  name: 'rollback',
  summary: 'make the deployment before, or number N, the default again',
  about: 'Its /etc is as it was, to the byte.',
  options: {},
  forms: [{ operands: [OPTIONAL_DEPLOYMENT], options: [] }],
})
