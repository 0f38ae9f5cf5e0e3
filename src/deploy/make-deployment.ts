/** Writes a planned deployment: everything under `<os>/<id>.<n>`, durably. */

import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import { writeLayer } from '../etc/layer-writer.ts'
import { layerFingerprint, readLayer } from '../etc/layer.ts'
import type { PlannedMerge } from '../etc/merge.ts'
import { makeDirectory, syncDirectory } from '../system/disk.ts'
import { makeDirectoryDurably, temporaryName } from '../system/durable-file.ts'
import { removeTree } from '../system/remove-tree.ts'
import { keepConflicts } from './conflict-versions.ts'
import { readRecord, writeRecord } from '../sysroot/deployment.ts'
import type { Conflict, MergedLayer } from '../sysroot/deployment.ts'
import type { PlannedDeploy } from './plan-deploy.ts'
import { ownerOf } from '../sysroot/snapshot-layer.ts'
import { deploymentName, layerPath } from '../sysroot/sysroot.ts'
import type { DeploymentId } from '../sysroot/sysroot.ts'
import type { Transaction } from '../sysroot/transaction.ts'

/** The layer that is carried over, as it is. */
export const snapshotBefore = async (
  transaction: Transaction,
  from: DeploymentId | undefined,
  plan: PlannedMerge,
  subject: string,
): Promise<void> => {
  if (from === undefined) return
  const upper = layerPath(transaction.paths, from)
  const { history } = transaction
  await history.take(ownerOf(from), upper, plan.fingerprint, subject)
}

/** Takes a snapshot of a layer that a plan made at `upper`. */
const snapshotMade = async (
  transaction: Transaction,
  id: DeploymentId,
  { theirs }: PlannedMerge,
  upper: string,
  subject: string,
) => {
  const fingerprint = layerFingerprint(readLayer(textToLatin1(upper), theirs))
  const { history } = transaction
  const snapshot = await history.take(ownerOf(id), upper, fingerprint, subject)
  return { snapshot, fingerprint }
}

/** The layer of the merge alone, where something was prepared besides. */
const snapshotMerge = async (
  transaction: Transaction,
  id: DeploymentId,
  merged: PlannedMerge,
  subject: string,
) => {
  const above = join(transaction.paths.deploy, '..')
  const beside = join(above, temporaryName('layer'))
  try {
    writeLayer(merged, textToLatin1(beside))
    return await snapshotMade(transaction, id, merged, beside, subject)
  } finally {
    removeTree(textToBytes(beside))
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
  const upper = layerPath(transaction.paths, id)
  writeLayer(plan, textToLatin1(upper))
  syncDirectory(join(directory, 'etc'))
  const sources = [prepared, from].filter(source => source !== undefined)
  const conflicts = keepConflicts(transaction, directory, sources, planned)
  const before =
    plan === merged
      ? undefined
      : await snapshotMerge(transaction, id, merged, `merge for ${what}`)
  const made = await snapshotMade(transaction, id, plan, upper, what)
  const layer: MergedLayer | undefined = from && {
    ...(before ?? made),
    owned: readRecord(transaction.paths, from).owned,
  }
  writeRecord(directory, {
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
