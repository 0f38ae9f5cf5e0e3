/** dendro prune */

import { digestToHex } from '../../objects/digest.ts'
import { commitsInUseByMounts } from '../../mount/servers.ts'
import { EventLog } from '../../store/event-log.ts'
import { REPACK_LEVEL } from '../../store/zstd.ts'
import { pruneRepository } from '../../upkeep/prune.ts'
import { formatBytes } from '../../units.ts'
import type { definition } from '../definitions/prune.ts'
import type { Verb } from '../shared/arguments.ts'
import { openRepository } from '../shared/open-repository.ts'
import { noteDone, print, printJson, warnWaiting } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, options }) => {
    const tags = options['keep-tag']
    const isDryRun = options['dry-run']
    const repository = openRepository(global)
    try {
      const pruned = await pruneRepository(repository, {
        rules: {
          last: options['keep-last'],
          daily: options['keep-daily'],
          weekly: options['keep-weekly'],
          tags: tags.length === 0 ? undefined : tags,
        },
        isDryRun,
        repackLevel: options.repack
          ? (options.level ?? REPACK_LEVEL)
          : undefined,
        inUse: commits => commitsInUseByMounts(repository.identity, commits),
        onWait: warnWaiting,
      })
      const { removedCommits, inUse, ...rest } = pruned
      const summary = {
        ...rest,
        dryRun: isDryRun,
        removedCommits: removedCommits.map(digestToHex),
        inUse: inUse.map(digestToHex),
      }
      if (!isDryRun)
        new EventLog(repository.paths.events).append('prune', {
          commits: removedCommits.length,
          freedBytes: pruned.freedBytes,
        })
      if (!isDryRun) noteDone('the prune was done')
      if (global.json) {
        printJson(summary)
        return
      }
      const would = isDryRun ? 'would remove' : 'removed'
      for (const id of summary.removedCommits) print(`${would} commit ${id}`)
      for (const name of summary.removedTags) print(`${would} tag ${name}`)
      for (const id of summary.inUse)
        print(`kept commit ${id}: a mount uses it`)
      print(
        `${would} ${removedCommits.length} commits and ${pruned.removedObjects} objects, kept ${pruned.keptCommits} commits; ` +
          freed(pruned.freedBytes, isDryRun),
      )
    } finally {
      repository.close()
    }
  },
}

/** Packs that are compressed less than before take more room. */
const freed = (bytes: number, isDryRun: boolean): string => {
  const [would, did] =
    bytes < 0 ? ['would take', 'took'] : ['would free', 'freed']
  const size = Math.abs(bytes)
  return `${isDryRun ? would : did} ${size} bytes (${formatBytes(size)})`
}
