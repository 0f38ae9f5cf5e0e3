/** dendro root: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DIRECTORY, OPTIONAL_DEPLOYMENT } from './values.ts'

export const definition = defineVerb({
  name: 'root',
  summary: 'put the root of a deployment together, or take it apart',
  about:
    "Without N it is the running deployment, else the default one. /etc is the deployment's and /var that of its OS, both writable; all else is read-only.",
  options: {},
  forms: [
    {
      action: 'assemble',
      operands: [OPTIONAL_DEPLOYMENT, DIRECTORY],
      options: [],
    },
    { action: 'release', operands: [DIRECTORY], options: [] },
  ],
})
