/** Writes a planned deployment: everything under `<os>/<id>.<n>`, durably. */

import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import { writeLayer } from '../etc/layer-writer.ts'
import type { PlannedMerge } from '../etc/merge.ts'
import { makeDirectory, syncDirectory } from '../system/disk.ts'
import { makeDirectoryDurably, temporaryName } from '../system/durable-file.ts'
import { removeTree } from '../system/remove-tree.ts'
import { keepConflicts } from './conflict-versions.ts'
import type { Conflict, MergedLayer } from '../sysroot/deployment.ts'
import type { PlannedDeploy } from './plan-deploy.ts'
import { takeSnapshot } from '../sysroot/snapshots.ts'
import type { TakenSnapshot } from '../sysroot/snapshots.ts'
import { deploymentName } from '../sysroot/sysroot.ts'
import type { DeploymentId } from '../sysroot/sysroot.ts'
import type { Transaction } from '../sysroot/transaction.ts'

/** The layer of the merge alone, where something was prepared besides. */
const snapshotOfMerge = async (
  transaction: Transaction,
  id: DeploymentId,
  merged: PlannedMerge,
  subject: string,
): Promise<TakenSnapshot> => {
  const above = join(transaction.paths.deploy, '..')
  const upper = join(above, temporaryName('layer'))
  try {
    writeLayer(merged, textToLatin1(upper))
    return await takeSnapshot(transaction, id, subject, { upper })
  } finally {
    removeTree(textToBytes(upper))
  }
}

/**
 * Makes the deployment; its conflicts. Nothing names it yet. `what` is told in
 * the history of its layer.
 */
export const makeDeployment = async (
  transaction: Transaction,
  id: DeploymentId,
  planned: PlannedDeploy,
  what: string,
): Promise<readonly Conflict[]> => {
  const { origin, from, prepared, layout, plan, merged } = planned
  const directory = transaction.pathOf(id)
  makeDirectoryDurably(join(directory, '..'))
  makeDirectory(directory, 0o755)
  makeDirectory(join(directory, 'etc'), 0o700)
  makeDirectory(join(directory, 'etc', 'work'), 0o700)
  writeLayer(plan, textToLatin1(transaction.layerOf(id)))
  syncDirectory(join(directory, 'etc'))
  const sources = [prepared, from].filter(source => source !== undefined)
  const conflicts = keepConflicts(transaction, directory, sources, planned)
  const before =
    plan === merged
      ? undefined
      : await snapshotOfMerge(transaction, id, merged, `merge for ${what}`)
  const made = await takeSnapshot(transaction, id, what)
  const layer: MergedLayer | undefined = from && {
    ...(before ?? made),
    owned: transaction.recordOf(from).owned,
  }
  transaction.writeRecord(id, {
    origin,
    version: layout.commit.metadata.get('version') ?? null,
    createdSec: Math.floor(Date.now() / 1000),
    mergedFrom: from === undefined ? null : deploymentName(from),
    mergedFingerprint: from === undefined ? null : plan.fingerprint,
    ...(layer === undefined ? {} : { merged: layer }),
    conflicts,
    settled: planned.settled,
    owned: planned.owned,
  })
  syncDirectory(join(directory, '..'))
  return conflicts
}
