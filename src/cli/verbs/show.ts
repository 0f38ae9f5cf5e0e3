/** dendro show */

import { digestToHex } from '../../objects/digest.ts'
import { formatBytes } from '../../units.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/show.ts'
import { commitLines, commitToJson } from '../shared/describe.ts'
import { loadRevision, withReader } from '../shared/open-repository.ts'
import { print, printJson, printLines } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: ({ global, operands }) => {
    return withReader(global, repository => {
      const { id, commit } = loadRevision(repository, operands.revision)
      if (global.json) {
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
