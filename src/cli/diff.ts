/** dendro diff */

import { latin1ToDisplay } from '../bytes/latin1.ts'
import { sizeOf } from '../objects/fs-object.ts'
import { diffTrees } from '../tree/diff.ts'
import type { Change, ChangeKind } from '../tree/diff.ts'
import { formatBytes } from '../units.ts'
import { parseVerb } from './arguments.ts'
import type { Verb } from './arguments.ts'
import { loadRevision, withReader } from './open-repository.ts'
import { jsonPath, print, printJson } from './output.ts'

const usage = 'diff A B [--stat]'

const bytesOf = (object: Change['before']): number =>
  object?.kind === 'file' ? sizeOf(object) : 0

const sizes = (changes: readonly Change[]) => {
  const counts: Record<ChangeKind, number> = { A: 0, D: 0, M: 0, T: 0 }
  let before = 0
  let after = 0
  for (const change of changes) {
    counts[change.kind]++
    before += bytesOf(change.before)
    after += bytesOf(change.after)
  }
  return { counts, bytesBefore: before, bytesAfter: after }
}

export const verb: Verb = {
  usage,
  summary:
    'list the paths that differ between two commits\n\n' +
    'A added, D deleted, M modified, T another type. Equal subtrees are not\n' +
    'opened, so the time goes with the changes.',
  run: context => {
    const options = { stat: { type: 'boolean' } } as const
    const parsed = parseVerb(context, usage, options, [2, 2])
    const [a, b] = parsed.positionals as [string, string]
    return withReader(context.global, repository => {
      const before = loadRevision(repository, a).commit.root
      const after = loadRevision(repository, b).commit.root
      const changes = diffTrees(repository, before, after)
      const { counts, bytesBefore, bytesAfter } = sizes(changes)
      if (context.global.json) {
        printJson({
          changes: changes.map(change => ({
            kind: change.kind,
            ...jsonPath(change.path),
            bytesBefore: bytesOf(change.before),
            bytesAfter: bytesOf(change.after),
          })),
          counts,
          bytesBefore,
          bytesAfter,
        })
        return
      }
      const lines = changes.map(change => {
        const path = latin1ToDisplay(change.path)
        const detail = parsed.flag('stat')
          ? `${formatBytes(bytesOf(change.before))} -> ${formatBytes(bytesOf(change.after))}  `.padStart(
              24,
            )
          : ''
        return `${change.kind} ${detail}${path}`
      })
      // One write: a line each is a third of the time.
      if (lines.length > 0) print(lines.join('\n'))
      if (parsed.flag('stat'))
        print(
          `${counts.A} added, ${counts.D} deleted, ${counts.M} modified, ${counts.T} of another type; ` +
            `${formatBytes(bytesBefore)} -> ${formatBytes(bytesAfter)}`,
        )
    })
  },
}
