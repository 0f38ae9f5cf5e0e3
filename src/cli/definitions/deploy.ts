/** dendro deploy: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { KEEP_OPTION, OS_NAME, REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'deploy',
  summary: 'make a commit the default of the next boot, with /etc merged',
  about:
    'VERSION is looked for in the history of the ref that was deployed last. Your changes of /etc are carried over by a 3-way merge into the new deployment; the running /etc is not touched.',
  options: {
    os: {
      help: "the OS whose /etc and /var are carried on; else that of the running deployment, else the `ID` of the commit's os-release",
      value: OS_NAME,
    },
    keep: KEEP_OPTION,
    remerge: {
      help: 'merge what was changed in the running /etc since into the pending deployment, into what was prepared there. A deployment that was booted before, or that was merged from another than the running one, is left alone, and a line says why',
    },
  },
  forms: [
    {
      operands: [{ ...REVISION, label: 'REV|VERSION' }],
      options: ['os', 'keep'],
    },
    { chosenBy: 'remerge', operands: [], options: [] },
  ],
})
