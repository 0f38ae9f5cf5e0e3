/** dendro undo: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'undo',
  summary: 'take back the last operation of "op log", or the named one',
  about:
    'One undo after the other goes back step by step. An undo is an operation too, and can be undone by its id.',
  options: {},
  forms: [
    {
      operands: [{ name: 'id', label: 'ID', kind: 'name', isOptional: true }],
      options: [],
    },
  ],
})
