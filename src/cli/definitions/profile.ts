/** dendro profile: what it takes. */

import { defineVerb } from './verb-definition.ts'

export const definition = defineVerb({
  name: 'profile',
  summary: 'keep what this boot read, for the next one',
  about:
    'record: writes down the objects that were read since the machine began to boot. The next boot has the disk read them in their order, in one go, while it starts. dendro-boot-complete.service calls this. show: lists them.',
  options: {},
  forms: [
    { action: 'record', operands: [], options: [] },
    { action: 'show', operands: [], options: [] },
  ],
})
