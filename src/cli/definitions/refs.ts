/** dendro refs: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'refs',
  summary: 'list refs (or tags) with the commits they name, or delete one',
  options: {
    tags: { help: 'tags instead of refs' },
    delete: {
      help: 'take the name away; its commits stay',
      short: 'd',
      value: { label: 'NAME', kind: 'ref' },
    },
  },
  forms: [
    {
      operands: [
        { name: 'prefix', label: 'PREFIX', kind: 'ref', isOptional: true },
      ],
      options: ['tags'],
    },
    { chosenBy: 'delete', operands: [], options: ['tags'] },
  ],
})
