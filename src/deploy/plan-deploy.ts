/**
 * What a deployment would be: which commit, whose /etc is carried on, and how
 * the two are merged. Changes nothing.
 */

import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { readLayer } from '../etc/layer.ts'
import { planEtcMerge } from '../etc/merge.ts'
import type { PlannedMerge } from '../etc/merge.ts'
import { OwnedPaths } from '../etc/owned.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { existingRef } from '../refs/ref-store.ts'
import { resolveRevision } from '../refs/revision.ts'
import type { Repository } from '../store/repository.ts'
import { inspectCommit, osRelease } from './commit-layout.ts'
import type { CommitLayout } from './commit-layout.ts'
import type { DeployOptions } from './deploy.ts'
import { readRecord } from './deployment.ts'
import { runningDeployments } from './running.ts'
import {
  checkOsName,
  commitOf,
  deploymentName,
  layerPath,
  readSysroot,
  shortName,
} from './sysroot.ts'
import type {
  DeploymentId,
  ListedDeployment,
  SysrootPaths,
  SysrootState,
} from './sysroot.ts'

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
  const base = /^(?:[^\^~@]|@(?!\{))*/.exec(text)?.[0] ?? ''
  if (existingRef(repository, base) !== undefined)
    return { commit: resolveRevision(repository, text), origin: base }
  if (origin !== null && !/[\^~@]/.test(text)) {
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

const originOf = (paths: SysrootPaths, id: DeploymentId | undefined) =>
  id === undefined ? null : readRecord(paths, id).origin

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

/** The merge into `layout`: what `deploy` does with it, and `--dry-run` shows. */
export const planFor = (
  repository: Repository,
  paths: SysrootPaths,
  layout: CommitLayout,
  from: DeploymentId | undefined,
  earlier: DeploymentId | undefined,
): PlannedMerge => {
  const theirs = defaultsOf(repository, layout)
  if (from === undefined)
    return planEtcMerge({
      upper: undefined,
      base: theirs,
      theirs,
      owned: new OwnedPaths([]),
    })
  const base = defaultsOf(repository, inspectCommit(repository, commitOf(from)))
  const sides = {
    upper: textToLatin1(layerPath(paths, from)),
    base,
    theirs,
    owned: new OwnedPaths(readRecord(paths, from).owned),
  }
  if (earlier === undefined) return planEtcMerge(sides)
  return planEtcMerge({
    ...sides,
    earlier: {
      changes: readLayer(textToLatin1(layerPath(paths, earlier)), theirs),
      settled: readRecord(paths, earlier).settled,
    },
  })
}

export interface PlannedDeploy {
  readonly layout: CommitLayout
  readonly os: string
  readonly origin: string | null
  readonly from: ListedDeployment | undefined
  readonly plan: PlannedMerge
}

/** All that is known before anything is changed. */
export const planDeploy = (
  repository: Repository,
  paths: SysrootPaths,
  state: SysrootState,
  options: Pick<DeployOptions, 'revision' | 'os'>,
): PlannedDeploy => {
  const wanted = options.os === undefined ? undefined : checkOsName(options.os)
  const from = mergeDeploymentOf(paths, state, wanted)
  const resolved = resolveDeployable(
    repository,
    options.revision,
    originOf(paths, from),
  )
  const layout = inspectCommit(repository, resolved.commit)
  const os = osOf(repository, layout, wanted, from)
  const plan = planFor(repository, paths, layout, from, undefined)
  return { layout, os, origin: resolved.origin, from, plan }
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
  const current = runningOf(paths, state) ?? state.deployments[0]
  if (current === undefined) throw noDeployment()
  const { origin } = readRecord(paths, current)
  if (origin === null)
    throw new DendroError(
      'UNKNOWN_REVISION',
      `cannot upgrade ${shortName(current)}: it was deployed by commit id and follows no ref`,
      { hint: 'dendro deploy REF makes it follow one' },
    )
  const newest = resolveRevision(repository, origin)
  const pending = state.deployments[0] as ListedDeployment
  if (digestToHex(newest) === pending.commit)
    throw new DendroError(
      'NO_UPGRADE',
      `no upgrade available: ${origin} is at ${pending.commit.slice(0, 12)}, which is deployed`,
      { hint: 'commit something newer to the ref' },
    )
  return origin
}
