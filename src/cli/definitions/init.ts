/** dendro init: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'init',
  summary: 'make an empty repository in DIR, or where --repo says',
  options: {},
  forms: [
    {
      operands: [
        {
          name: 'directory',
          label: 'DIR',
          kind: 'directory',
          isOptional: true,
        },
      ],
      options: [],
    },
  ],
})
