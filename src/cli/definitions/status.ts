/** dendro status: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'status',
  summary: 'list the deployments, with * at the one that runs',
  about:
    'What runs is found by its layer of /etc, wherever it is mounted. The first is the default of the next boot.',
  options: {},
  forms: [{ operands: [], options: [] }],
})
