/** The three versions of each conflict, kept beside the deployment. */

import { textToBytes } from '../bytes/byte-text.ts'
import type { Maybe } from '../etc/etc-node.ts'
import { isAccountFile } from '../etc/merge-accounts.ts'
import { readEntry, unlessGone } from '../etc/layer-entry.ts'
import { nodeText } from '../etc/layer.ts'
import { makeEtcNode } from '../etc/node-writer.ts'
import { conflictsOf } from '../etc/plan.ts'
import type { PlanItem } from '../etc/plan.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { syncDirectory } from '../system/disk.ts'
import { makeDirectoryDurably } from '../system/durable-file.ts'
import { conflictPath } from '../sysroot/deployment.ts'
import type { Conflict } from '../sysroot/deployment.ts'
import type { PlannedEtc } from './plan-deploy.ts'
import type { DeploymentId } from '../sysroot/sysroot.ts'
import type { Transaction } from '../sysroot/transaction.ts'

/**
 * New conflicts, and those of the deployments it is made of that nobody settled;
 * of two at one path that of the first counts.
 */
export const keepConflicts = (
  transaction: Transaction,
  directory: string,
  sources: readonly DeploymentId[],
  { plan, settled }: PlannedEtc,
): readonly Conflict[] => {
  const conflicts: Conflict[] = []
  const isNew = new Map<string, PlanItem>(
    conflictsOf(plan).map(item => [item.path, item]),
  )
  const items = new Map(plan.items.map(item => [item.path, item]))
  const old = sources.flatMap(source => {
    const { conflicts: known } = transaction.recordOf(source)
    return known
      .filter(({ path, mine, theirs }) =>
        settled.every(
          one =>
            one.path !== path || one.mine !== mine || one.theirs !== theirs,
        ),
      )
      .map(conflict => ({ conflict, directory: transaction.pathOf(source) }))
  })
  const keep = (
    { path, why, mine, theirs }: Omit<Conflict, 'number'>,
    versions: Versions,
  ): void => {
    const number = conflicts.length
    keepVersions(directory, number, versions)
    conflicts.push({ path, why, number, mine, theirs })
  }
  const versionsOf = (one: (typeof old)[number]) => ({
    base: oldVersion(one.directory, one.conflict, 'base'),
    mine: oldVersion(one.directory, one.conflict, 'mine'),
    theirs: oldVersion(one.directory, one.conflict, 'theirs'),
  })
  for (const [path, item] of isNew) {
    const before = old.find(({ conflict }) => conflict.path === path)
    const { base, mine, theirs } = item
    const first = before === undefined ? base : versionsOf(before).base
    const conflict = {
      path,
      why: item.conflict ?? '',
      mine: nodeText(mine),
      theirs: nodeText(theirs),
    }
    keep(conflict, { base: first, mine, theirs })
  }
  for (const one of old) {
    const { path } = one.conflict
    const source = items.get(path)?.source
    // Other accounts may merge while one is left out.
    const isStill =
      source === 'mine' || (source === 'merged' && isAccountFile(path))
    const isKept = conflicts.some(known => known.path === path)
    if (isStill && !isKept) keep(one.conflict, versionsOf(one))
  }
  return conflicts
}

export type Side = 'base' | 'mine' | 'theirs'

/** Undefined where a side has nothing. */
type Versions = Readonly<Record<Side, Maybe>>

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
  versions: Versions,
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
