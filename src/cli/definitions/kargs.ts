/** dendro kargs: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { OPTIONAL_DEPLOYMENT } from './values.ts'

const ARGUMENT = { label: 'ARG', kind: 'text' } as const

export const definition = defineVerb({
  name: 'kargs',
  summary: 'show or change what the kernel of a deployment is told',
  about:
    'N is the number that status shows, 0 by default. The boot entry changes at once, and the next deployment takes the arguments over.',
  options: {
    append: { help: 'add it at the end', value: ARGUMENT, isMany: true },
    delete: {
      help: 'take away every argument of the name KEY, or with KEY=VALUE that one',
      value: ARGUMENT,
      isMany: true,
    },
    replace: {
      help: 'put it where KEY stands first and take away the others, or add it',
      value: { label: 'KEY=VALUE', kind: 'text' },
      isMany: true,
    },
  },
  forms: [
    {
      operands: [OPTIONAL_DEPLOYMENT],
      options: ['append', 'delete', 'replace'],
    },
  ],
})
