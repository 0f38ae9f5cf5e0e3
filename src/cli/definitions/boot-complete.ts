/** dendro boot-complete: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'boot-complete',
  summary: 'say that the deployment that runs has booted well',
  about:
    'The initramfs counts the boots of a deployment that nobody confirms; after three it takes the next one. A deployment that runs in the place of another becomes the default. dendro-boot-complete.service calls this.',
  options: {},
  forms: [{ operands: [], options: [] }],
})
