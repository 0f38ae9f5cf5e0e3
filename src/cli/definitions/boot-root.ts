/** dendro boot-root: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DIRECTORY } from './values.ts'

export const definition = defineVerb({
  name: 'boot-root',
  summary: 'in an initramfs: serve the repository, assemble a deployment',
  about:
    'The server stays for as long as the machine runs. NAME is OS/COMMIT.N, as the kernel command line has it.',
  options: {},
  forms: [
    {
      operands: [
        { name: 'deployment', label: 'NAME', kind: 'name' },
        DIRECTORY,
      ],
      options: [],
    },
  ],
})
