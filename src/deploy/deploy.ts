/**
 * Makes a commit a deployment: check, merge /etc, hold the commit, write the
 * boot entry, and make it the default by one rename.
 *
 * Until that rename nothing of it is visible; after it all of it is. Killed in
 * between, the next transaction clears up.
 */

import { lstatSync, readdirSync } from '../system/files.ts'
import {
  latin1ToBytes,
  latin1ToDisplay,
  textToLatin1,
} from '../bytes/latin1.ts'
import { DendroError, errnoOf, wrapSystemError } from '../errors.ts'
import type { PlannedMerge } from '../etc/merge.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Repository } from '../store/repository.ts'
import { runtimeOf } from '../sysroot/bootable.ts'
import { inspectCommit } from '../sysroot/commit-layout.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'
import type { Conflict } from '../sysroot/deployment.ts'
import { makeDeployment, snapshotBefore } from './make-deployment.ts'
import { diffPackages, readPackages } from '../packages/packages.ts'
import type { PackageChange } from '../packages/packages.ts'
import { planDeploy } from './plan-deploy.ts'
import type { PlannedDeploy } from './plan-deploy.ts'
import { runningDeployments } from '../sysroot/running.ts'
import {
  commitOf,
  deploymentName,
  deploymentPath,
  isSameDeployment,
  shortName,
} from '../sysroot/sysroot.ts'
import type {
  DeploymentId,
  ListedDeployment,
  SysrootPaths,
  SysrootState,
} from '../sysroot/sysroot.ts'
import { withTransaction } from '../sysroot/transaction.ts'
import type { Transaction } from '../sysroot/transaction.ts'
import { growVar } from '../sysroot/var.ts'

export const DEFAULT_KEEP = 3

export interface DeployOptions {
  /** A revision, or a version of the origin's history. */
  readonly revision: string
  readonly os?: string | undefined
  /** How many deployments stay; pinned and running ones do besides. */
  readonly keep?: number | undefined
  /** Instead of those of the deployment whose /etc is carried on. */
  readonly kernelArguments?: readonly string[] | undefined
  /** For commits that bring no runtime, in hex. */
  readonly runtime?: string | undefined
  readonly onWait?: () => void
}

export interface Deployed {
  readonly deployment: DeploymentId
  readonly version: string | null
  readonly origin: string | null
  readonly mergedFrom: DeploymentId | undefined
  readonly plan: PlannedMerge
  readonly conflicts: readonly Conflict[]
  readonly removed: readonly DeploymentId[]
  readonly freedBytes: number
  /** Undefined where a commit has no package database that can be read. */
  readonly packages: readonly PackageChange[] | undefined
}

const refuseForbidden = (plan: PlannedMerge): void => {
  const forbidden = plan.items.filter(({ isForbidden }) => isForbidden)
  if (forbidden.length === 0) return
  const names = forbidden.map(({ path }) => `/etc/${latin1ToDisplay(path)}`)
  throw new DendroError(
    'MERGE_FORBIDDEN',
    `cannot deploy: the merge policy is "fail" for ${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}, which both sides changed`,
    {
      hint: 'bring them in line with the new defaults, or change /etc/dendro/merge.policy',
      data: { paths: forbidden.map(({ path }) => path) },
    },
  )
}

/**
 * Deploys. Errors: `NOT_DEPLOYABLE`, `UNKNOWN_REVISION`, `MERGE_FORBIDDEN`,
 * `INVALID_ARGUMENT`, `NO_SPACE`, damage. Nothing has changed when it throws.
 */
export const deploy = (
  repository: Repository,
  paths: SysrootPaths,
  options: DeployOptions,
): Promise<Deployed> =>
  withTransaction(paths, repository, options.onWait, transaction =>
    retrying(() => {
      const planned = planDeploy(transaction, transaction.state, options)
      return carryOut(transaction, planned, {
        kind: 'deploy',
        keep: options.keep ?? DEFAULT_KEEP,
        replaces: undefined,
        kernelArguments: options.kernelArguments,
        runtime: options.runtime,
      })
    }),
  )

const MAX_TRIES = 5

/** What runs may change meanwhile: the next try sees it as it is then. */
export const retrying = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries === MAX_TRIES || !isChange(error)) throw error
    }
  }
}

/**
 * Something went while it was read, by the merge or by the snapshot before it,
 * or what was to go was entered meanwhile.
 */
const isChange = (error: unknown): boolean =>
  errnoOf(error) === 'ENOENT' ||
  (error instanceof DendroError &&
    ['SOURCE_CHANGED', 'DEPLOYMENT_IN_USE'].includes(error.code))

export interface CarryOut {
  readonly kind: 'deploy' | 'remerge'
  readonly keep: number
  /** A deployment that the new one takes the place of. */
  readonly replaces: ListedDeployment | undefined
  readonly kernelArguments?: readonly string[] | undefined
  readonly runtime?: string | undefined
}

/** Makes the deployment that was planned, and makes it the default. */
export const carryOut = async (
  transaction: Transaction,
  planned: PlannedDeploy,
  carried: CarryOut,
): Promise<Deployed> => {
  const { kind, keep, replaces } = carried
  const { repository, paths, state } = transaction
  const { layout, os, origin, from, context, plan } = planned
  refuseForbidden(plan)
  const commit = digestToHex(layout.id)
  const id = { os, commit, serial: transaction.nextSerial(os, commit) }
  const baseLayout =
    from === undefined ? undefined : inspectCommit(repository, commitOf(from))
  const version = layout.commit.metadata.get('version') ?? null
  let conflicts: readonly Conflict[]
  try {
    const what = `${kind} of ${shortName(id)}`
    await snapshotBefore(transaction, from, plan, `before ${what}`)
    transaction.hold(id)
    conflicts = await makeDeployment(transaction, id, planned, what)
    growVar(repository, paths, os, baseLayout, layout)
    const kept = listAfter(paths, state, id, replaces, from, keep)
    const first: ListedDeployment = {
      ...id,
      isPinned: replaces?.isPinned ?? false,
      ...bootedWith(repository, layout, carried, context),
    }
    const list = [first, ...kept]
    const shown = version === null ? '' : ` (${version})`
    await transaction.commit(kind, `${kind} ${shortName(id)}${shown}`, list)
  } catch (error) {
    throw wrapSystemError(`cannot deploy ${shortName(id)}`, error)
  }
  const removed = state.deployments.filter(
    old =>
      !transaction.state.deployments.some(now => isSameDeployment(now, old)),
  )
  const freedBytes = removed.reduce(
    (sum, old) => sum + allocatedBytes(deploymentPath(paths, old)),
    0,
  )
  transaction.dropUnlisted()
  return {
    deployment: id,
    version,
    origin,
    mergedFrom: from,
    plan,
    conflicts,
    removed,
    freedBytes,
    packages: packageChanges(repository, baseLayout, layout),
  }
}

/** How a new deployment is booted: as asked for, else as the one before. */
const bootedWith = (
  repository: Repository,
  layout: CommitLayout,
  asked: CarryOut,
  before: ListedDeployment | undefined,
): Pick<ListedDeployment, 'kernelArguments' | 'runtime'> => {
  const kernelArguments = asked.kernelArguments ?? before?.kernelArguments
  const runtime =
    runtimeOf(repository, layout.root) ?? asked.runtime ?? before?.runtime
  return {
    ...(kernelArguments === undefined ? {} : { kernelArguments }),
    ...(runtime === undefined ? {} : { runtime }),
  }
}

const packageChanges = (
  repository: Repository,
  before: CommitLayout | undefined,
  after: CommitLayout,
): PackageChange[] | undefined => {
  if (before === undefined) return undefined
  const old = readPackages(repository, before.root)
  const next = readPackages(repository, after.root)
  return old === undefined || next === undefined
    ? undefined
    : diffPackages(old, next)
}

/** The deployments that stay, in order. */
const listAfter = (
  paths: SysrootPaths,
  state: SysrootState,
  next: DeploymentId,
  replaces: ListedDeployment | undefined,
  from: ListedDeployment | undefined,
  keep: number,
): ListedDeployment[] => {
  const running = runningDeployments(paths)
  const old = state.deployments.filter(
    id => replaces === undefined || !isSameDeployment(id, replaces),
  )
  let count = 1
  return old.filter(id => {
    const isNeeded =
      id.isPinned ||
      running.has(deploymentName(id)) ||
      (from !== undefined && isSameDeployment(id, from))
    if (id.os !== next.os) return true
    if (isNeeded || count < keep) {
      count++
      return true
    }
    return false
  })
}

/** As du(1) counts. */
const allocatedBytes = (path: string): number => {
  const raw = latin1ToBytes(textToLatin1(path))
  const visit = (entry: Buffer): number => {
    const status = lstatSync(entry, { throwIfNoEntry: false })
    if (status === undefined) return 0
    const own = status.blocks * 512
    if (!status.isDirectory()) return own
    return readdirSync(entry, { encoding: 'buffer' }).reduce(
      (sum, name) =>
        sum + visit(Buffer.concat([entry, Buffer.from('/'), name])),
      own,
    )
  }
  return visit(raw)
}
