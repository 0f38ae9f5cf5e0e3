/** dendro show: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'show',
  summary: 'show one commit with its metadata and counts',
  options: {},
  forms: [{ operands: [REVISION], options: [] }],
})
