/** Puts paths of an /etc back to what they were in a snapshot: restore and undo. */

import { DendroError } from '../errors.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { differingPaths, EffectiveEtc } from '../etc/effective-etc.ts'
import { readLayerFrom } from '../etc/layer.ts'
import type { DeploymentRecord } from '../sysroot/deployment.ts'
import { carryOut, lockEtc, putsTowards, toldPaths } from './etc-edit.ts'
import type { Edit } from './etc-edit.ts'
import { readEtc } from './etc-view.ts'
import type { EtcView } from './etc-view.ts'
import type { Sysroot } from '../sysroot/session.ts'
import { deploymentName } from '../sysroot/sysroot.ts'
import { withTransaction } from '../sysroot/transaction.ts'
import type { Transaction } from '../sysroot/transaction.ts'

/** Plans to put all at and below some paths back to what it was in a snapshot. */
const planSnapshot = (
  transaction: Transaction,
  view: EtcView,
  snapshotId: string,
  above: readonly string[],
): Edit => {
  const defaults = defaultsOfSnapshot(transaction, view, snapshotId)
  const changes = readLayerFrom(transaction.history.layer(snapshotId), defaults)
  const then = new EffectiveEtc(changes, defaults)
  const now = new EffectiveEtc(view.changes, view.defaults)
  const puts = putsTowards(then, now, differingPaths(then, now, above))
  return { paths: toldPaths(now, puts), puts }
}

/** The defaults that were below the layer of a snapshot. */
const defaultsOfSnapshot = (
  transaction: Transaction,
  view: EtcView,
  snapshotId: string,
): CommitDefaults => {
  const { commit } = transaction.history.snapshot(snapshotId)
  if (commit === view.deployment.commit) return view.defaults
  const { defaults } = transaction.layoutOf({ ...view.deployment, commit })
  return new CommitDefaults(transaction.repository, defaults)
}

/**
 * Puts `path` back to what it was in the snapshot that `etcLog` shows as
 * `number`; the paths that changed. Errors: `NOT_FOUND`.
 */
export const restorePath = (
  sysroot: Sysroot,
  path: string,
  number: number,
  index?: number,
): Promise<readonly string[]> =>
  withTransaction(sysroot, undefined, async transaction => {
    const view = await lockEtc(transaction, index)
    // Before this operation takes snapshots of its own.
    const snapshot = transaction.history.list(view.deployment.os)[number]
    if (snapshot === undefined)
      throw new DendroError('NOT_FOUND', `there is no snapshot ${number}`, {
        hint: 'dendro etc log lists them',
      })
    const planned = planSnapshot(transaction, view, snapshot.id, [path])
    return carryOut(transaction, view, planned, { kind: 'etc restore' })
  })

export interface EditToUndo {
  /** Its id in the log, and what the log says of it. */
  readonly id: string
  readonly text: string
  /** Name of the deployment. */
  readonly deployment: string
  readonly paths: readonly string[]
  /** The snapshot before it. */
  readonly snapshot: string
  readonly record: DeploymentRecord
}

/**
 * Takes an edit back: the paths of an operation as they were before it, and
 * the record. Errors: `CANNOT_UNDO`.
 */
export const undoEdit = async (
  transaction: Transaction,
  { id, text, deployment: name, paths: above, snapshot, record }: EditToUndo,
): Promise<void> => {
  const { state } = transaction
  const deployment = state.deployments.find(one => deploymentName(one) === name)
  if (deployment === undefined)
    throw new DendroError(
      'CANNOT_UNDO',
      `cannot undo ${id} (${text}): deployment ${name} is no longer there`,
      { hint: 'its layers are in dendro etc log' },
    )
  await transaction.lockLayer(deployment)
  const view = readEtc(transaction, deployment)
  const planned = planSnapshot(transaction, view, snapshot, above)
  await carryOut(
    transaction,
    view,
    { ...planned, record },
    { kind: 'undo', text: `undo ${id}: ${text}`, undoes: id },
  )
}
