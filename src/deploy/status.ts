/** What is deployed, what runs, and what became of each /etc. */

import { isDamage } from '../errors.ts'
import { layerFingerprint } from '../etc/layer.ts'
import { fallbackTo } from '../sysroot/boot-state.ts'
import type { BootState } from '../sysroot/boot-state.ts'
import type { DeploymentRecord } from '../sysroot/deployment.ts'
import { changesOf, readEtc } from './etc-view.ts'
import type { EtcView } from './etc-view.ts'
import { remergeable } from './remerge.ts'
import type { RunningEtc } from '../sysroot/running.ts'
import type { Sysroot } from '../sysroot/session.ts'
import { deploymentName, isSameDeployment } from '../sysroot/sysroot.ts'
import type { ListedDeployment } from '../sysroot/sysroot.ts'

export interface DeploymentStatus {
  readonly index: number
  readonly deployment: ListedDeployment
  readonly version: string | null
  readonly origin: string | null
  readonly timeSec: number
  readonly running: RunningEtc | undefined
  /** Whether it is the one this machine, or this namespace, runs. */
  readonly isBooted: boolean
  /** The default of the next boot, and another one runs. */
  readonly isPending: boolean
  /** What `rollback` would go to. */
  readonly isRollback: boolean
  readonly etcChanges: number
  readonly conflicts: readonly string[]
  /** Whether the running /etc was changed since it was merged into this one. */
  readonly isOutdated: boolean
  /** Why its commit cannot be read; then nothing is known of its /etc. */
  readonly damage: string | undefined
  /** It was booted because what was asked for could not be. */
  readonly fallback: BootState | undefined
}

/**
 * In the order of the boot menu; all of it as it is at one time.
 * Errors: `CORRUPT_SYSROOT`, system errors.
 */
export const statusOf = (sysroot: Sysroot): DeploymentStatus[] => {
  const { state, running: layers, runningHere: booted } = sysroot
  const [first] = state.deployments
  const isPendingFirst =
    booted !== undefined &&
    first !== undefined &&
    !isSameDeployment(booted, first)
  const rollback = isPendingFirst ? booted : state.deployments[1]
  const views = new Map(
    state.deployments.map(id => [deploymentName(id), viewOf(sysroot, id)]),
  )
  return state.deployments.map((deployment, index) => {
    const { record, view, timeSec, damage } = views.get(
      deploymentName(deployment),
    ) as Viewed
    const from =
      record.mergedFrom === null
        ? undefined
        : views.get(record.mergedFrom)?.view
    const isPending = index === 0 && isPendingFirst
    const isBooted =
      booted !== undefined && isSameDeployment(booted, deployment)
    return {
      index,
      deployment,
      version: record.version,
      origin: record.origin,
      timeSec,
      running: layers.get(deploymentName(deployment)),
      isBooted,
      isPending,
      isRollback:
        rollback !== undefined && isSameDeployment(rollback, deployment),
      etcChanges: view === undefined ? 0 : changesOf(view).length,
      conflicts: record.conflicts.map(({ path }) => path),
      isOutdated:
        isPending &&
        from !== undefined &&
        typeof remergeable(sysroot) !== 'string' &&
        layerFingerprint(from.changes) !== record.mergedFingerprint,
      damage,
      fallback: isBooted ? fallbackTo(deploymentName(deployment)) : undefined,
    }
  })
}

interface Viewed {
  readonly record: DeploymentRecord
  readonly timeSec: number
  readonly view: EtcView | undefined
  readonly damage: string | undefined
}

/** A deployment whose commit is damaged is told of like the others. */
const viewOf = (sysroot: Sysroot, id: ListedDeployment): Viewed => {
  const record = sysroot.recordOf(id)
  try {
    const { timeSec } = sysroot.layoutOf(id).commit
    const view = readEtc(sysroot, id)
    return { record, timeSec, view, damage: undefined }
  } catch (error) {
    if (!isDamage(error)) throw error
    const damage = error instanceof Error ? error.message : String(error)
    return { record, timeSec: record.createdSec, view: undefined, damage }
  }
}
