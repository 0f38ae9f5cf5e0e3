/** dendro umount: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { MOUNTPOINT } from './values.ts'

export const definition = defineVerb({
  name: 'umount',
  summary: 'unmount what is mounted at DIR',
  about: 'The server ends with its last mount.',
  options: {
    lazy: {
      help: 'unmount it also where it is in use, for its users to finish',
      short: 'l',
    },
  },
  forms: [{ operands: [MOUNTPOINT], options: ['lazy'] }],
})
