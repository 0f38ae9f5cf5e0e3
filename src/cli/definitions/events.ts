/** dendro events: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'events',
  summary: 'tell what happened to the repository and its mounts',
  about:
    'Damage that readers met, servers that died and were replaced, checks, repairs and prunes, oldest first. With --json a line of JSON each.',
  options: {
    follow: { help: 'go on with what happens next', short: 'f' },
    type: {
      help: 'only these, for example damage or server-died',
      value: { label: 'TYPE', kind: 'name' },
    },
  },
  forms: [{ operands: [], options: ['follow', 'type'] }],
})
