/** dendro ls: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'ls',
  summary: 'list a directory of a commit; -R all below it, -l with details',
  options: {
    recursive: { help: 'all below it', short: 'R', isShownShort: true },
    long: {
      help: 'with mode, links, owner, size and time',
      short: 'l',
      isShownShort: true,
    },
  },
  forms: [
    {
      operands: [
        REVISION,
        { name: 'path', label: 'PATH', kind: 'name', isOptional: true },
      ],
      options: ['recursive', 'long'],
    },
  ],
})
