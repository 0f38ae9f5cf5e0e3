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
import type { CommitLayout } from '../sysroot/commit-layout.ts'
import type { DeployOptions } from './deploy.ts'
import { wasBooted } from '../sysroot/deployment.ts'
import type { Settled } from '../sysroot/deployment.ts'
import { requireMountPoints } from '../root/mount-points.ts'
import type { Sysroot } from '../sysroot/session.ts'
import {
  checkOsName,
  deploymentName,
  isSameDeployment,
  shortName,
} from '../sysroot/sysroot.ts'
import type {
  DeploymentId,
  ListedDeployment,
  SysrootState,
} from '../sysroot/sysroot.ts'
import { sysusersOf } from './sysusers.ts'

/** Whose /etc a new deployment of `os` carries on. */
const mergeDeploymentOf = (
  { state, runningHere: running }: Sysroot,
  os: string | undefined,
): ListedDeployment | undefined => {
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
  { commits }: Sysroot,
  layout: CommitLayout,
  asked: string | undefined,
  from: DeploymentId | undefined,
): string => {
  if (asked !== undefined) return checkOsName(asked)
  if (from !== undefined) return from.os
  const id = commits.release(layout.id)?.get('ID')
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
  sysroot: Sysroot,
  layout: CommitLayout,
  from: DeploymentId | undefined,
  prepared: DeploymentId | undefined,
): PlannedEtc => {
  const { repository } = sysroot
  const theirs = defaultsOf(repository, layout)
  if (from === undefined) {
    const sides = { upper: undefined, base: theirs, theirs }
    const plan = planEtcMerge({ ...sides, owned: new OwnedPaths([]) })
    return { plan, merged: plan, owned: [], settled: [] }
  }
  const { owned } = sysroot.recordOf(from)
  const old = sysroot.layoutOf(from)
  const merged = planEtcMerge({
    upper: textToLatin1(sysroot.layerOf(from)),
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
  return prepared === undefined
    ? { plan: merged, merged, owned, settled: [] }
    : withPrepared(sysroot, { merged, owned }, prepared)
}

/** The same with what was prepared in the deployment that waits for its boot. */
const withPrepared = (
  sysroot: Sysroot,
  { merged, owned }: Pick<PlannedEtc, 'merged' | 'owned'>,
  prepared: DeploymentId,
): PlannedEtc => {
  const record = sysroot.recordOf(prepared)
  if (record.merged === undefined)
    return { plan: merged, merged, owned, settled: [] }
  const { snapshot, fingerprint, owned: ownedThen } = record.merged
  const defaults = defaultsOf(sysroot.repository, sysroot.layoutOf(prepared))
  const now = readLayer(textToLatin1(sysroot.layerOf(prepared)), defaults)
  const isAsLeft = layerFingerprint(now) === fingerprint
  const left = () => readLayerFrom(sysroot.history.layer(snapshot), defaults)
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
const preparedOf = (
  sysroot: Sysroot,
  from: DeploymentId | undefined,
): ListedDeployment | undefined => {
  const [first] = sysroot.state.deployments
  if (first === undefined || from === undefined) return undefined
  if (isSameDeployment(first, from) || wasBooted(sysroot.paths, first))
    return undefined
  const record = sysroot.recordOf(first)
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

/**
 * All that is known before anything is changed. Errors: `NOT_DEPLOYABLE`,
 * `UNKNOWN_REVISION`, `INVALID_ARGUMENT`, damage.
 */
export const planDeploy = (
  sysroot: Sysroot,
  options: Pick<DeployOptions, 'revision' | 'os'>,
): PlannedDeploy => {
  const { repository, state } = sysroot
  const wanted = options.os === undefined ? undefined : checkOsName(options.os)
  const from = mergeDeploymentOf(sysroot, wanted)
  const context = contextOf(state, from)
  const followed = context && sysroot.recordOf(context).origin
  const { commit, origin } = resolveDeployable(
    repository,
    options.revision,
    followed ?? null,
  )
  const layout = sysroot.layout(commit)
  requireMountPoints(repository, layout)
  const os = osOf(sysroot, layout, wanted, from)
  const prepared = preparedOf(sysroot, from)
  const planned = planFor(sysroot, layout, from, prepared)
  return { ...planned, layout, os, origin, from, prepared, context }
}

export const noDeployment = (): DendroError =>
  new DendroError('NO_DEPLOYMENT', 'there is no deployment', {
    hint: 'make one with dendro deploy REV',
  })

/** What `upgrade` would deploy. Errors: `NO_DEPLOYMENT`, `NO_UPGRADE`. */
export const upgradeOf = (sysroot: Sysroot): string => {
  const { state } = sysroot
  const current = contextOf(state, sysroot.runningHere ?? state.deployments[0])
  if (current === undefined) throw noDeployment()
  const { origin } = sysroot.recordOf(current)
  if (origin === null)
    throw new DendroError(
      'UNKNOWN_REVISION',
      `cannot upgrade ${shortName(current)}: it was deployed by commit id and follows no ref`,
      { hint: 'dendro deploy REF makes it follow one' },
    )
  const newest = resolveRevision(sysroot.repository, origin)
  if (digestToHex(newest) === current.commit)
    throw new DendroError(
      'NO_UPGRADE',
      `no upgrade available: ${origin} is at ${current.commit.slice(0, 12)}, which is deployed`,
      { hint: 'commit something newer to the ref' },
    )
  return origin
}
