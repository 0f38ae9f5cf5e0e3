/** dendro tag: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'tag',
  summary: 'give a commit a name that stays; --force moves it all the same',
  options: {
    force: { help: 'move a tag that names another commit', short: 'f' },
  },
  forms: [
    {
      operands: [{ name: 'tag', label: 'NAME', kind: 'tag' }, REVISION],
      options: ['force'],
    },
  ],
})
