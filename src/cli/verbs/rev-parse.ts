/** dendro rev-parse */

import { digestToHex } from '../../objects/digest.ts'
import { resolveRevision } from '../../refs/revision.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { withRepository } from '../shared/open-repository.ts'
import { print, printJson } from '../shared/output.ts'

const usage = 'rev-parse REV'

export const verb: Verb = {
  usage,
  summary: 'print the id of the commit that REV means',
  run: context => {
    const parsed = parseVerb(context, usage, {}, [1, 1])
    const revision = parsed.positionals[0] as string
    return withRepository(context.global, repository => {
      const commit = digestToHex(resolveRevision(repository, revision))
      if (context.global.json) printJson({ revision, commit })
      else print(commit)
    })
  },
}
