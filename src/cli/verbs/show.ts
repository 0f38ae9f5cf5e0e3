/** dendro show */

import { digestToHex } from '../../objects/digest.ts'
import { formatBytes } from '../../units.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { commitLines, commitToJson } from '../shared/describe.ts'
import { loadRevision, withReader } from '../shared/open-repository.ts'
import { print, printJson, printLines } from '../shared/output.ts'

const usage = 'show REV'

export const verb: Verb = {
  usage,
  summary: 'show one commit with its metadata and counts',
  run: context => {
    const parsed = parseVerb(context, usage, {}, [1, 1])
    return withReader(context.global, repository => {
      const { id, commit } = loadRevision(
        repository,
        parsed.positionals[0] as string,
      )
      if (context.global.json) {
        printJson(commitToJson(id, commit))
        return
      }
      const { summary } = commit
      printLines(commitLines(id, commit))
      print('')
      for (const parent of commit.parents)
        print(`Parent:  ${digestToHex(parent)}`)
      print(`Tree:    ${digestToHex(commit.root.tree)}`)
      print(
        `Holds:   ${summary.files} files, ${summary.directories} directories, ` +
          `${summary.others} others, ${formatBytes(summary.logicalBytes)}`,
      )
      for (const [key, value] of commit.metadata)
        print(`Meta:    ${key}=${value}`)
    })
  },
}
