/** dendro cat: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'cat',
  summary: 'write the content of a file of a commit to stdout',
  options: {},
  forms: [
    {
      operands: [REVISION, { name: 'path', label: 'PATH', kind: 'name' }],
      options: [],
    },
  ],
})
