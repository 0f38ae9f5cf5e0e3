/** dendro repo */

import { digestToHex } from '../../objects/digest.ts'
import { existingRef } from '../../refs/ref-store.ts'
import { resolveRevision } from '../../refs/revision.ts'
import { Repository } from '../../store/repository.ts'
import { repositoryStatistics } from '../../store/statistics.ts'
import { copyCommit } from '../../upkeep/copy-commit.ts'
import { formatBytes } from '../../units.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { GlobalOptions, Verb } from '../shared/arguments.ts'
import { withReader, withRepository } from '../shared/open-repository.ts'
import { print, printJson, warn } from '../shared/output.ts'

const usage = 'repo stat\n       dendro repo copy REV REPOSITORY'

export const verb: Verb = {
  usage,
  summary:
    'tell what the repository holds, or copy a commit to another one\n\n' +
    'stat: commits, bytes and the room they take. copy: brings REV, with what the\n' +
    'repository at REPOSITORY does not have of it; a ref keeps its name there, so\n' +
    'that a machine can upgrade to it.',
  run: context => {
    const parsed = parseVerb(context, usage, {}, [1, 3])
    const [action, ...rest] = parsed.positionals
    const [revision, target] = rest
    if (action === 'copy' && revision !== undefined && target !== undefined)
      return copy(context.global, revision, target)
    if (action !== 'stat' || rest.length > 0)
      throw usageError(`unknown words '${parsed.positionals.join(' ')}'`, usage)
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
