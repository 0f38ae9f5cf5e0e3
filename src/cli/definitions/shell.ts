/** dendro shell: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DEPLOYMENT_OPTION, OPTIONAL_REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'shell',
  summary: 'start a shell inside a deployment or a commit, as run does',
  options: { deployment: DEPLOYMENT_OPTION },
  forms: [
    {
      operands: [OPTIONAL_REVISION],
      options: ['deployment'],
      atMostOne: [['deployment', 'revision']],
    },
  ],
})
