/** dendro repo */

import { digestToHex } from '../../objects/digest.ts'
import { existingRef } from '../../refs/ref-store.ts'
import { resolveRevision } from '../../refs/revision.ts'
import { Repository } from '../../store/repository.ts'
import { repositoryStatistics } from '../../store/statistics.ts'
import { copyCommit } from '../../upkeep/copy-commit.ts'
import { formatBytes } from '../../units.ts'
import type { definition } from '../definitions/repo.ts'
import type { GlobalOptions, Verb } from '../shared/arguments.ts'
import { withReader, withRepository } from '../shared/open-repository.ts'
import { print, printJson, warn } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: invocation => {
    const { global } = invocation
    if (invocation.form === 'copy') {
      const { revision, target } = invocation.operands
      return copy(global, revision, target)
    }
    return withRepository(global, repository => {
      const s = repositoryStatistics(repository)
      if (global.json) {
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

const copy = (
  global: GlobalOptions,
  revision: string,
  target: string,
): Promise<void> =>
  withReader(global, async from => {
    const id = resolveRevision(from, revision)
    const to = Repository.open(target)
    try {
      const ref = existingRef(from, revision)
      const { objects, bytes } = await copyCommit(from, to, id, {
        ref,
        onWait: () =>
          warn('waiting for another change of the repository to finish'),
      })
      if (global.json)
        printJson({ commit: digestToHex(id), ref: ref ?? null, objects, bytes })
      else
        print(`${digestToHex(id)}: ${objects} objects, ${formatBytes(bytes)}`)
    } finally {
      to.close()
    }
  })
