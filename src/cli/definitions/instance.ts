/** dendro instance: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { COMMAND, REVISION } from './values.ts'

const NAME = { name: 'name', label: 'NAME', kind: 'name' } as const

export const definition = defineVerb({
  name: 'instance',
  summary: 'many writable roots over one commit, each with its own changes',
  about: 'An instance takes no room until something is written in it.',
  options: {},
  forms: [
    { action: 'create', operands: [NAME, REVISION], options: [] },
    { action: 'list', operands: [], options: [] },
    { action: 'rm', operands: [NAME], options: [] },
    { action: 'run', operands: [NAME, COMMAND], options: [] },
  ],
})
