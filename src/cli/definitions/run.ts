/** dendro run: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { COMMAND, DEPLOYMENT_OPTION, OPTIONAL_REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'run',
  summary: 'run a command inside a deployment or a commit',
  about:
    "Without REV it is the running deployment, else the default one; its /etc and /var are the real ones. In a REV they are thrown away afterwards. The exit status is the command's.",
  options: { deployment: DEPLOYMENT_OPTION },
  forms: [
    {
      operands: [OPTIONAL_REVISION, COMMAND],
      options: ['deployment'],
      atMostOne: [['deployment', 'revision']],
    },
  ],
})
