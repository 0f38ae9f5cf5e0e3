/** dendro live: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'live',
  summary: 'make the running /usr writable until the next boot',
  about:
    'What is written goes to a layer in memory and is thrown away; "lock" throws it away now.',
  options: {},
  forms: [
    { action: 'unlock', operands: [], options: [] },
    { action: 'lock', operands: [], options: [] },
  ],
})
