/** dendro prune */

import { DendroError } from '../errors.ts'
import { digestToHex } from '../objects/digest.ts'
import { commitsInUseByMounts } from '../mount/servers.ts'
import { EventLog } from '../store/event-log.ts'
import { pruneRepository } from '../upkeep/prune.ts'
import { formatBytes } from '../units.ts'
import { parseVerb } from './arguments.ts'
import type { Parsed, Verb } from './arguments.ts'
import { openRepository } from './open-repository.ts'
import { print, printJson, warn } from './output.ts'

const usage =
  'prune [--keep-last N] [--keep-daily N] [--keep-weekly N] [--keep-tag GLOB]... [--dry-run]'

export const verb: Verb = {
  usage,
  summary:
    'remove commits that nothing keeps, and give their space back\n\n' +
    'Without rules what no ref and no tag reaches goes. With rules each ref\n' +
    'keeps its newest commit and those that a rule names: the last N, the newest\n' +
    'of each of N days or weeks (UTC); tags keep theirs, with --keep-tag only\n' +
    'those that match. Commits that a mount uses stay. --dry-run tells exactly\n' +
    'what would be removed and freed.',
  run: async context => {
    const parsed = parseVerb(
      context,
      usage,
      {
        'keep-last': { type: 'string' },
        'keep-daily': { type: 'string' },
        'keep-weekly': { type: 'string' },
        'keep-tag': { type: 'string', multiple: true },
        'dry-run': { type: 'boolean', short: 'n' },
      },
      [0, 0],
    )
    const tags = parsed.strings('keep-tag')
    const isDryRun = parsed.flag('dry-run')
    const repository = openRepository(context.global)
    try {
      const pruned = await pruneRepository(repository, {
        rules: {
          last: count(parsed, 'keep-last'),
          daily: count(parsed, 'keep-daily'),
          weekly: count(parsed, 'keep-weekly'),
          tags: tags.length === 0 ? undefined : tags,
        },
        isDryRun,
        inUse: commits => commitsInUseByMounts(repository.config.id, commits),
        onWait: () => warn('waiting for other processes to finish'),
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
      if (context.global.json) {
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
          `${isDryRun ? 'would free' : 'freed'} ${pruned.freedBytes} bytes (${formatBytes(pruned.freedBytes)})`,
      )
    } finally {
      repository.close()
    }
  },
}

const count = (parsed: Parsed, name: string): number | undefined => {
  const text = parsed.string(name)
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new DendroError('USAGE', `bad --${name} ${text}: it is not a number`, {
    hint: `usage: dendro ${usage}`,
  })
}
