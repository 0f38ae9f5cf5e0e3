/**
 * What a deployment would be: which commit, whose /etc is carried on, and how
 * the two are merged. Changes nothing.
 */

import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { layerFingerprint, readLayer, readLayerFrom } from '../etc/layer.ts'
import { mergePrepared, withoutSettled } from '../etc/merge-prepared.ts'
import { planEtcMerge } from '../etc/merge.ts'
import type { PlannedMerge } from '../etc/merge.ts'
import { OwnedPaths } from '../etc/owned.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { parseRevision, refOf, resolveRevision } from '../refs/revision.ts'
import type { Repository } from '../store/repository.ts'
import { inspectCommit } from '../sysroot/commit-layout.ts'
import { osRelease } from '../packages/os-release.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'
import type { DeployOptions } from './deploy.ts'
import { readRecord, wasBooted } from '../sysroot/deployment.ts'
import type { Settled } from '../sysroot/deployment.ts'
import { requireMountPoints } from '../root/mount-points.ts'
import { runningDeployments } from '../sysroot/running.ts'
import type { LayerPlaces } from '../sysroot/snapshot-layer.ts'
import {
  checkOsName,
  commitOf,
  deploymentName,
  isSameDeployment,
  layerPath,
  readSysroot,
  shortName,
} from '../sysroot/sysroot.ts'
import type {
  DeploymentId,
  ListedDeployment,
  SysrootPaths,
  SysrootState,
} from '../sysroot/sysroot.ts'
import { sysusersOf } from './sysusers.ts'

/** The deployment that runs, if one of `state` does: that of this namespace. */
export const runningOf = (
  paths: SysrootPaths,
  state: SysrootState,
): ListedDeployment | undefined => {
  const running = runningDeployments(paths)
  const here = state.deployments.filter(id => running.has(deploymentName(id)))
  // Those of `dendro run` are in namespaces of their own, and do not count.
  const own = here.filter(
    id => running.get(deploymentName(id))?.pid === undefined,
  )
  return (
    own.find(id => running.get(deploymentName(id))?.mountpoint === '/etc') ??
    own[0]
  )
}

/** Whose /etc a new deployment of `os` carries on. */
const mergeDeploymentOf = (
  paths: SysrootPaths,
  state: SysrootState,
  os: string | undefined,
): ListedDeployment | undefined => {
  const running = runningOf(paths, state)
  if (running !== undefined && (os === undefined || running.os === os))
    return running
  return state.deployments.find(id => os === undefined || id.os === os)
}

interface Resolved {
  readonly commit: Digest
  readonly origin: string | null
}

/** Resolves once: a ref, a version of the origin, or a commit. */
const resolveDeployable = (
  repository: Repository,
  text: string,
  origin: string | null,
): Resolved => {
  const ref = refOf(repository, text)
  if (ref !== undefined)
    return { commit: resolveRevision(repository, text), origin: ref }
  if (origin !== null && parseRevision(text).steps === '') {
    try {
      return {
        commit: resolveRevision(repository, `${origin}@{${text}}`),
        origin,
      }
    } catch (error) {
      const isUnknown =
        error instanceof DendroError && error.code === 'UNKNOWN_REVISION'
      if (!isUnknown) throw error
    }
  }
  return { commit: resolveRevision(repository, text), origin }
}

const osOf = (
  repository: Repository,
  layout: CommitLayout,
  asked: string | undefined,
  from: DeploymentId | undefined,
): string => {
  if (asked !== undefined) return checkOsName(asked)
  if (from !== undefined) return from.os
  const id = osRelease(repository, layout.root).get('ID')
  return id === undefined ? 'default' : checkOsName(id)
}

export const defaultsOf = (repository: Repository, layout: CommitLayout) =>
  new CommitDefaults(repository, layout.defaults)

/** An /etc for a commit: what is written, and what it is made of. */
export interface PlannedEtc {
  /** What becomes of every path, what was prepared included. */
  readonly plan: PlannedMerge
  /** The merge alone; the same plan where nothing was prepared. */
  readonly merged: PlannedMerge
  readonly owned: readonly string[]
  readonly settled: readonly Settled[]
}

/**
 * The merge into `layout`: what `deploy` does with it, and `--dry-run` shows.
 * `prepared` is the deployment that waits for its boot, of the same `from`.
 */
export const planFor = (
  { repository, paths, history }: LayerPlaces,
  layout: CommitLayout,
  from: DeploymentId | undefined,
  prepared: DeploymentId | undefined,
): PlannedEtc => {
  const theirs = defaultsOf(repository, layout)
  const settled: readonly Settled[] = []
  if (from === undefined) {
    const sides = { upper: undefined, base: theirs, theirs }
    const plan = planEtcMerge({ ...sides, owned: new OwnedPaths([]) })
    return { plan, merged: plan, owned: [], settled }
  }
  const { owned } = readRecord(paths, from)
  const old = inspectCommit(repository, commitOf(from))
  const merged = planEtcMerge({
    upper: textToLatin1(layerPath(paths, from)),
    base: defaultsOf(repository, old),
    theirs,
    owned: new OwnedPaths(owned),
    // Read where accounts are merged, and not otherwise.
    sysusers: {
      get base() {
        return sysusersOf(repository, old)
      },
      get theirs() {
        return sysusersOf(repository, layout)
      },
    },
  })
  const record = prepared && readRecord(paths, prepared)
  if (prepared === undefined || record?.merged === undefined)
    return { plan: merged, merged, owned, settled }
  const { snapshot, fingerprint, owned: ownedThen } = record.merged
  const defaults = defaultsOf(
    repository,
    inspectCommit(repository, commitOf(prepared)),
  )
  const now = readLayer(textToLatin1(layerPath(paths, prepared)), defaults)
  const isAsLeft = layerFingerprint(now) === fingerprint
  const left = () => readLayerFrom(history.layer(snapshot), defaults)
  const whole = isAsLeft
    ? merged
    : mergePrepared(merged, { left: left(), now, defaults })
  const all = mergeSets(ownedThen, owned, record.owned)
  const plan = withoutSettled(
    { ...whole, owned: new OwnedPaths(all) },
    record.settled,
  )
  return {
    plan,
    merged: isAsLeft ? plan : merged,
    owned: all,
    settled: record.settled,
  }
}

/** A 3-way merge of sets: what either side added or took away. */
const mergeSets = (
  base: readonly string[],
  mine: readonly string[],
  theirs: readonly string[],
): string[] => [
  ...theirs.filter(one => mine.includes(one) || !base.includes(one)),
  ...mine.filter(one => !base.includes(one) && !theirs.includes(one)),
]

export interface PlannedDeploy extends PlannedEtc {
  readonly layout: CommitLayout
  readonly os: string
  readonly origin: string | null
  readonly from: ListedDeployment | undefined
  /** Waits for its boot; what was prepared in it is carried over. */
  readonly prepared: ListedDeployment | undefined
  /** What was said of it, its kernel arguments say, holds for the next. */
  readonly context: ListedDeployment | undefined
}

/**
 * The default deployment, where the /etc of `from` was merged into it and it
 * has not been booted yet: it is what its merge, and whoever prepared it, made.
 */
export const preparedOf = (
  paths: SysrootPaths,
  state: SysrootState,
  from: DeploymentId | undefined,
): ListedDeployment | undefined => {
  const [first] = state.deployments
  if (first === undefined || from === undefined) return undefined
  if (isSameDeployment(first, from) || wasBooted(paths, first)) return undefined
  const record = readRecord(paths, first)
  return record.merged !== undefined &&
    record.mergedFrom === deploymentName(from)
    ? first
    : undefined
}

/** What is said of the next boot of an OS, else of what runs. */
const contextOf = (
  state: SysrootState,
  from: ListedDeployment | undefined,
): ListedDeployment | undefined => {
  const [first] = state.deployments
  return from !== undefined && first?.os === from.os ? first : from
}

/** All that is known before anything is changed. */
export const planDeploy = (
  sources: LayerPlaces,
  state: SysrootState,
  options: Pick<DeployOptions, 'revision' | 'os'>,
): PlannedDeploy => {
  const { repository, paths } = sources
  const wanted = options.os === undefined ? undefined : checkOsName(options.os)
  const from = mergeDeploymentOf(paths, state, wanted)
  const context = contextOf(state, from)
  const followed = context && readRecord(paths, context).origin
  const { commit, origin } = resolveDeployable(
    repository,
    options.revision,
    followed ?? null,
  )
  const layout = inspectCommit(repository, commit)
  requireMountPoints(repository, layout)
  const os = osOf(repository, layout, wanted, from)
  const prepared = preparedOf(paths, state, from)
  const planned = planFor(sources, layout, from, prepared)
  return { ...planned, layout, os, origin, from, prepared, context }
}

export const noDeployment = (): DendroError =>
  new DendroError('NO_DEPLOYMENT', 'there is no deployment', {
    hint: 'make one with dendro deploy REV',
  })

/** What `upgrade` would deploy. Errors: `NO_DEPLOYMENT`, `NO_UPGRADE`. */
export const upgradeOf = (
  repository: Repository,
  paths: SysrootPaths,
): string => {
  const state = readSysroot(paths)
  const current = contextOf(
    state,
    runningOf(paths, state) ?? state.deployments[0],
  )
  if (current === undefined) throw noDeployment()
  const { origin } = readRecord(paths, current)
  if (origin === null)
    throw new DendroError(
      'UNKNOWN_REVISION',
      `cannot upgrade ${shortName(current)}: it was deployed by commit id and follows no ref`,
      { hint: 'dendro deploy REF makes it follow one' },
    )
  const newest = resolveRevision(repository, origin)
  if (digestToHex(newest) === current.commit)
    throw new DendroError(
      'NO_UPGRADE',
      `no upgrade available: ${origin} is at ${current.commit.slice(0, 12)}, which is deployed`,
      { hint: 'commit something newer to the ref' },
    )
  return origin
}
