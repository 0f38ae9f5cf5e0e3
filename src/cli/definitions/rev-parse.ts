/** dendro rev-parse: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'rev-parse',
  summary: 'print the id of the commit that REV means',
  options: {},
  forms: [{ operands: [REVISION], options: [] }],
})
