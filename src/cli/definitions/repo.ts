/** dendro repo: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'repo',
  summary: 'tell what the repository holds, or copy a commit to another',
  about:
    'stat: commits, bytes and the room they take. copy: brings REV, with what the repository at REPOSITORY does not have of it; a ref keeps its name there, so that a machine can upgrade to it.',
  options: {},
  forms: [
    { action: 'stat', operands: [], options: [] },
    {
      action: 'copy',
      operands: [
        REVISION,
        { name: 'target', label: 'REPOSITORY', kind: 'directory' },
      ],
      options: [],
    },
  ],
})
