/** dendro upgrade: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { KEEP_OPTION } from './values.ts'

export const definition = defineVerb({
  name: 'upgrade',
  summary: 'deploy the newest commit of the ref that was deployed last',
  about: 'Exit status 77 when that commit is deployed already.',
  options: { keep: KEEP_OPTION },
  forms: [{ operands: [], options: ['keep'] }],
})
