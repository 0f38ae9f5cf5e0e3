/** What is deployed, what runs, and what became of each /etc. */

import { layerFingerprint } from '../etc/layer.ts'
import type { Repository } from '../store/repository.ts'
import { fallbackTo } from './boot-state.ts'
import type { BootState } from './boot-state.ts'
import { changesOf, readEtc } from './etc-view.ts'
import { runningOf } from './plan-deploy.ts'
import { runningLayers } from './running.ts'
import type { RunningEtc } from './running.ts'
import {
  commitOf,
  deploymentName,
  isSameDeployment,
  readSysroot,
} from './sysroot.ts'
import type { ListedDeployment, SysrootPaths } from './sysroot.ts'

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
  /** It was booted because what was asked for could not be. */
  readonly fallback: BootState | undefined
}

/** In the order of the boot menu. */
export const statusOf = (
  repository: Repository,
  paths: SysrootPaths,
): DeploymentStatus[] => {
  const state = readSysroot(paths)
  const layers = runningLayers()
  const booted = runningOf(state)
  const [first] = state.deployments
  const isPendingFirst =
    booted !== undefined &&
    first !== undefined &&
    !isSameDeployment(booted, first)
  const rollback = isPendingFirst ? booted : state.deployments[1]
  const views = new Map(
    state.deployments.map(id => [
      deploymentName(id),
      readEtc(repository, paths, id),
    ]),
  )
  return state.deployments.map((deployment, index) => {
    const view = views.get(deploymentName(deployment))
    if (view === undefined) throw new Error('a deployment vanished')
    const { record } = view
    const commit = repository.commits.load(commitOf(deployment))
    const from =
      record.mergedFrom === null ? undefined : views.get(record.mergedFrom)
    const isPending = index === 0 && isPendingFirst
    const isBooted =
      booted !== undefined && isSameDeployment(booted, deployment)
    return {
      index,
      deployment,
      version: record.version,
      origin: record.origin,
      timeSec: commit.timeSec,
      running: layers.get(deploymentName(deployment)),
      isBooted,
      isPending,
      isRollback:
        rollback !== undefined && isSameDeployment(rollback, deployment),
      etcChanges: changesOf(view).length,
      conflicts: record.conflicts.map(({ path }) => path),
      isOutdated:
        isPending &&
        from !== undefined &&
        layerFingerprint(from.changes) !== record.mergedFingerprint,
      fallback: isBooted ? fallbackTo(deploymentName(deployment)) : undefined,
    }
  })
}
