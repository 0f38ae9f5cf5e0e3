/** dendro diff */

import { latin1ToDisplay } from '../../bytes/latin1.ts'
import { sizeOf } from '../../objects/fs-object.ts'
import { diffTrees } from '../../tree/diff.ts'
import type { Change, ChangeKind } from '../../tree/diff.ts'
import { formatBytes } from '../../units.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/diff.ts'
import { loadRevision, withReader } from '../shared/open-repository.ts'
import { jsonPath, LinePrinter, print, printJson } from '../shared/output.ts'

const bytesOf = (object: Change['before']): number =>
  object?.kind === 'file' ? sizeOf(object) : 0

interface Sums {
  readonly counts: Record<ChangeKind, number>
  bytesBefore: number
  bytesAfter: number
}

const add = (sums: Sums, change: Change): void => {
  sums.counts[change.kind]++
  sums.bytesBefore += bytesOf(change.before)
  sums.bytesAfter += bytesOf(change.after)
}

const describeJson = ({ kind, path, before, after }: Change) => ({
  kind,
  ...jsonPath(path),
  bytesBefore: bytesOf(before),
  bytesAfter: bytesOf(after),
})

const describeSizes = ({ before, after }: Change): string =>
  `${formatBytes(bytesOf(before))} -> ${formatBytes(bytesOf(after))}  `.padStart(
    24,
  )

export const verb: Verb<typeof definition> = {
  run: ({ global, operands, options }) => {
    return withReader(global, repository => {
      const before = loadRevision(repository, operands.before).commit.root
      const after = loadRevision(repository, operands.after).commit.root
      const sums: Sums = {
        counts: { A: 0, D: 0, M: 0, T: 0 },
        bytesBefore: 0,
        bytesAfter: 0,
      }
      if (global.json) {
        const changes: object[] = []
        diffTrees(repository, before, after, change => {
          add(sums, change)
          changes.push(describeJson(change))
        })
        printJson({ changes, ...sums })
        return
      }
      const withSizes = options.stat
      const lines = new LinePrinter()
      diffTrees(repository, before, after, change => {
        if (withSizes) add(sums, change)
        const sizes = withSizes ? describeSizes(change) : ''
        lines.add(`${change.kind} ${sizes}${latin1ToDisplay(change.path)}`)
      })
      lines.flush()
      const { counts, bytesBefore, bytesAfter } = sums
      if (withSizes)
        print(
          `${counts.A} added, ${counts.D} deleted, ${counts.M} modified, ${counts.T} of another type; ` +
            `${formatBytes(bytesBefore)} -> ${formatBytes(bytesAfter)}`,
        )
    })
  },
}
