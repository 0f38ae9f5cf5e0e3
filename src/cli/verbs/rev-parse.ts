/** dendro rev-parse */

import { digestToHex } from '../../objects/digest.ts'
import { resolveRevision } from '../../refs/revision.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/rev-parse.ts'
import { withRepository } from '../shared/open-repository.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: ({ global, operands: { revision } }) => {
    return withRepository(global, repository => {
      const commit = digestToHex(resolveRevision(repository, revision))
      if (global.json) printJson({ revision, commit })
      else print(commit)
    })
  },
}
