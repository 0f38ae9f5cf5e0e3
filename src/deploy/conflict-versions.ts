/** The three versions of each conflict, kept beside the deployment. */

import { textToBytes } from '../bytes/byte-text.ts'
import type { Maybe } from '../etc/etc-node.ts'
import { readEntry, unlessGone } from '../etc/layer-entry.ts'
import { nodeText } from '../etc/layer.ts'
import type { PlannedMerge } from '../etc/merge.ts'
import { makeEtcNode } from '../etc/node-writer.ts'
import { conflictsOf } from '../etc/plan.ts'
import type { PlanItem } from '../etc/plan.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { syncDirectory } from '../system/disk.ts'
import { makeDirectoryDurably } from '../system/durable-file.ts'
import { conflictPath, readRecord } from './deployment.ts'
import type { Conflict } from './deployment.ts'
import type { DeploymentId } from './sysroot.ts'
import type { Transaction } from './transaction.ts'

/** New conflicts, and those of the old deployment that nobody settled. */
export const keepConflicts = (
  transaction: Transaction,
  directory: string,
  from: DeploymentId | undefined,
  plan: PlannedMerge,
): readonly Conflict[] => {
  const conflicts: Conflict[] = []
  const isNew = new Map<string, PlanItem>(
    conflictsOf(plan).map(item => [item.path, item]),
  )
  const items = new Map(plan.items.map(item => [item.path, item]))
  const oldDirectory = from === undefined ? '' : transaction.pathOf(from)
  const old =
    from === undefined ? [] : readRecord(transaction.paths, from).conflicts
  const keep = (
    path: string,
    why: string,
    mine: string,
    theirs: string,
    versions: Readonly<Record<Side, Maybe>>,
  ): void => {
    const number = conflicts.length
    keepVersions(directory, number, versions)
    conflicts.push({ path, why, number, mine, theirs })
  }
  const versionsOf = (conflict: Conflict) => ({
    base: oldVersion(oldDirectory, conflict, 'base'),
    mine: oldVersion(oldDirectory, conflict, 'mine'),
    theirs: oldVersion(oldDirectory, conflict, 'theirs'),
  })
  for (const [path, item] of isNew) {
    const before = old.find(conflict => conflict.path === path)
    const { base, mine, theirs } = item
    const first = before === undefined ? base : versionsOf(before).base
    keep(path, item.conflict ?? '', nodeText(mine), nodeText(theirs), {
      base: first,
      mine,
      theirs,
    })
  }
  for (const conflict of old) {
    const { path, why, mine, theirs } = conflict
    const isStill = items.get(path)?.source === 'mine'
    if (isStill && !isNew.has(path))
      keep(path, why, mine, theirs, versionsOf(conflict))
  }
  return conflicts
}

export type Side = 'base' | 'mine' | 'theirs'

/** A version as it is kept in the directory of a deployment. */
export const oldVersion = (
  directory: string,
  conflict: Conflict,
  side: Side,
): Maybe => {
  const place = textToBytes(conflictPath(directory, conflict.number))
  const open = () => DirectoryHandle.open(place)
  const versions = unlessGone(open)
  if (versions === undefined) return undefined
  try {
    const entry = readEntry(versions, side, open)
    return entry?.type === 'node' ? entry.node : undefined
  } finally {
    versions.close()
  }
}

/** A directory of up to three entries: base, mine, theirs. */
const keepVersions = (
  directory: string,
  number: number,
  versions: Readonly<Record<Side, Maybe>>,
): void => {
  const place = conflictPath(directory, number)
  makeDirectoryDurably(place)
  const handle = DirectoryHandle.open(textToBytes(place))
  try {
    for (const [side, node] of Object.entries(versions))
      if (node !== undefined) makeEtcNode(handle, side, node)
    syncDirectory(handle.itself)
  } finally {
    handle.close()
  }
}
