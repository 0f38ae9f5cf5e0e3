/** dendro log */

import { resolveRevision } from '../../refs/revision.ts'
import { firstParents } from '../../refs/revision.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { commitLines, commitToJson } from '../shared/describe.ts'
import { withReader } from '../shared/open-repository.ts'
import { printJson, printLines } from '../shared/output.ts'

const usage = 'log REV [-n COUNT]'

export const verb: Verb = {
  usage,
  summary: 'show the history of REV, newest first',
  run: context => {
    const options = { count: { type: 'string', short: 'n' } } as const
    const parsed = parseVerb(context, usage, options, [1, 1])
    const text = parsed.string('count')
    if (text !== undefined && !/^\d{1,9}$/.test(text))
      throw usageError(`-n ${text} is not a number`, usage)
    const limit = text === undefined ? Infinity : Number(text)
    return withReader(context.global, repository => {
      const start = resolveRevision(repository, parsed.positionals[0] as string)
      const found: unknown[] = []
      let shown = 0
      for (const { id, commit } of firstParents(repository, start)) {
        if (shown++ >= limit) break
        if (context.global.json) found.push(commitToJson(id, commit))
        else
          printLines([...(shown > 1 ? [''] : []), ...commitLines(id, commit)])
      }
      if (context.global.json) printJson(found)
    })
  },
}
