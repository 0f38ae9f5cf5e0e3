/** dendro prune */

import { digestToHex } from '../../objects/digest.ts'
import { commitsInUseByMounts } from '../../mount/servers.ts'
import { EventLog } from '../../store/event-log.ts'
import { MAX_LEVEL, REPACK_LEVEL } from '../../store/zstd.ts'
import { pruneRepository } from '../../upkeep/prune.ts'
import { formatBytes } from '../../units.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Parsed, Verb } from '../shared/arguments.ts'
import { openRepository } from '../shared/open-repository.ts'
import { noteDone, print, printJson, warnWaiting } from '../shared/output.ts'

const usage =
  'prune [--keep-last N] [--keep-daily N] [--keep-weekly N] [--keep-tag GLOB]... [--repack [--level N]] [--dry-run]'

export const verb: Verb = {
  usage,
  summary:
    'remove commits that nothing keeps, and give their space back\n\n' +
    'Without rules what no ref and no tag reaches goes. With rules each ref\n' +
    'keeps its newest commit and those that a rule names: the last N, the newest\n' +
    'of each of N days or weeks (UTC); tags keep theirs, with --keep-tag only\n' +
    'those that match. Commits that a mount uses stay. --repack writes everything\n' +
    'that stays again, compressed at level N of zstd (9), into one pack; until\n' +
    'that is done it needs the room twice. --dry-run tells exactly what would be\n' +
    'removed and freed.',
  run: async context => {
    const parsed = parseVerb(
      context,
      usage,
      {
        'keep-last': { type: 'string' },
        'keep-daily': { type: 'string' },
        'keep-weekly': { type: 'string' },
        'keep-tag': { type: 'string', multiple: true },
        repack: { type: 'boolean' },
        level: { type: 'string' },
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
        repackLevel: repackLevel(parsed),
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

const count = (parsed: Parsed, name: string): number | undefined => {
  const text = parsed.string(name)
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw usageError(`--${name} ${text} is not a number`, usage)
}

/** Undefined without --repack. */
const repackLevel = (parsed: Parsed): number | undefined => {
  const level = count(parsed, 'level')
  if (!parsed.flag('repack')) {
    if (level === undefined) return undefined
    throw usageError('--level goes with --repack', usage)
  }
  if (level === undefined) return REPACK_LEVEL
  if (level >= 1 && level <= MAX_LEVEL) return level
  throw usageError(`--level ${level} is not from 1 to ${MAX_LEVEL}`, usage)
}
