/** dendro log */

import { resolveRevision } from '../../refs/revision.ts'
import { firstParents } from '../../refs/revision.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/log.ts'
import { commitLines, commitToJson } from '../shared/describe.ts'
import { withReader } from '../shared/open-repository.ts'
import { printJson, printLines } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: ({ global, operands, options }) => {
    const limit = options.count ?? Infinity
    return withReader(global, repository => {
      const start = resolveRevision(repository, operands.revision)
      const found: unknown[] = []
      let shown = 0
      for (const { id, commit } of firstParents(repository, start)) {
        if (shown++ >= limit) break
        if (global.json) found.push(commitToJson(id, commit))
        else
          printLines([...(shown > 1 ? [''] : []), ...commitLines(id, commit)])
      }
      if (global.json) printJson(found)
    })
  },
}
