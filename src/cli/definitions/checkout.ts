/** dendro checkout: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DIRECTORY, REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'checkout',
  summary: 'write a commit out as plain files, exactly',
  about: 'DIR must be absent or empty.',
  options: {
    subdir: {
      help: 'a directory of the commit instead of all of it',
      value: { label: 'PATH', kind: 'name' },
    },
    user: {
      help: 'leave out what only root may make, and say what: owners, devices and privileged xattrs',
      short: 'U',
    },
    'no-xattrs': {
      help: 'leave out all xattrs, ACLs and file capabilities among them',
    },
  },
  forms: [
    {
      operands: [REVISION, DIRECTORY],
      options: ['subdir', 'user', 'no-xattrs'],
    },
  ],
})
