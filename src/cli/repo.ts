/** dendro repo */

import { repositoryStatistics } from '../store/statistics.ts'
import { formatBytes } from '../units.ts'
import { parseVerb, usageError } from './arguments.ts'
import type { Verb } from './arguments.ts'
import { withRepository } from './open-repository.ts'
import { print, printJson } from './output.ts'

const usage = 'repo stat'

export const verb: Verb = {
  usage,
  summary: 'tell what the repository holds and the room it takes',
  run: context => {
    const parsed = parseVerb(context, usage, {}, [1, 1])
    if (parsed.positionals[0] !== 'stat')
      throw usageError(`unknown word '${parsed.positionals[0]}'`, usage)
    return withRepository(context.global, repository => {
      const s = repositoryStatistics(repository)
      if (context.global.json) {
        printJson(s)
        return
      }
      print(`commits   ${s.commits}`)
      print(
        `logical   ${formatBytes(s.logicalBytes)}  (${s.logicalBytes} bytes, all commits as plain files)`,
      )
      print(
        `unique    ${formatBytes(s.uniqueBytes)}  (${s.uniqueBytes} bytes in ${s.objects} objects)`,
      )
      print(
        `stored    ${formatBytes(s.storedBytes)}  (${s.storedBytes} bytes in ${s.packs} packs and ${s.indexes} indexes)`,
      )
    })
  },
}
