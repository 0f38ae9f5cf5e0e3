/**
 * Makes a commit a deployment, in three stages. `prepare` writes everything
 * beside what is in force, `publish` makes it the default by one rename, `tidy`
 * removes what left. What is planned before (plan-deploy.ts) changes nothing.
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
import { runtimeOf } from '../sysroot/commit-boot.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'
import type { Conflict } from '../sysroot/deployment.ts'
import { makeDeployment } from './make-deployment.ts'
import { diffPackages, readPackages } from '../packages/packages.ts'
import type { PackageChange } from '../packages/packages.ts'
import { planDeploy } from './plan-deploy.ts'
import type { PlannedDeploy } from './plan-deploy.ts'
import type { Sysroot } from '../sysroot/session.ts'
import { takeSnapshot } from '../sysroot/snapshots.ts'
import {
  deploymentName,
  isSameDeployment,
  shortName,
} from '../sysroot/sysroot.ts'
import type { DeploymentId, ListedDeployment } from '../sysroot/sysroot.ts'
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
  sysroot: Sysroot,
  options: DeployOptions,
): Promise<Deployed> =>
  withTransaction(sysroot, options.onWait, transaction =>
    retrying(transaction, () =>
      carryOut(transaction, planDeploy(transaction, options), {
        kind: 'deploy',
        keep: options.keep ?? DEFAULT_KEEP,
        replaces: undefined,
        kernelArguments: options.kernelArguments,
        runtime: options.runtime,
      }),
    ),
  )

const MAX_TRIES = 5

/** What runs may change meanwhile: the next try sees it as it is then. */
export const retrying = async <T>(
  transaction: Transaction,
  work: () => Promise<T>,
): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries === MAX_TRIES || !isChange(error)) throw error
      transaction.lookAgain()
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
  refuseForbidden(planned.plan)
  const { os, layout } = planned
  const commit = digestToHex(layout.id)
  const id = { os, commit, serial: transaction.nextSerial(os, commit) }
  const before = transaction.state.deployments
  let prepared: Prepared
  try {
    prepared = await prepare(transaction, id, planned, carried)
    await publish(transaction, prepared, carried.kind)
  } catch (error) {
    throw wrapSystemError(`cannot deploy ${shortName(id)}`, error)
  }
  return {
    deployment: id,
    version: prepared.version,
    origin: planned.origin,
    mergedFrom: planned.from,
    plan: planned.plan,
    conflicts: prepared.conflicts,
    ...tidy(transaction, before),
    packages: packageChanges(transaction, planned.from, layout),
  }
}

/** A deployment that is whole on the disk, and that nothing names yet. */
interface Prepared {
  readonly id: DeploymentId
  readonly version: string | null
  readonly conflicts: readonly Conflict[]
  /** What the sysroot lists when it is in force: it first. */
  readonly list: readonly ListedDeployment[]
}

/**
 * Stage 1: the layer that is carried over is kept, the commit is held, the new
 * deployment is written and /var gets what is new. All of it is beside what is
 * in force; killed here, the next transaction removes it.
 */
const prepare = async (
  transaction: Transaction,
  id: DeploymentId,
  planned: PlannedDeploy,
  carried: CarryOut,
): Promise<Prepared> => {
  const { layout, from, plan, context } = planned
  const what = `${carried.kind} of ${shortName(id)}`
  if (from !== undefined)
    await takeSnapshot(transaction, from, `before ${what}`, {
      fingerprint: plan.fingerprint,
    })
  transaction.hold(id)
  const conflicts = await makeDeployment(transaction, id, planned, what)
  growVar(transaction, id.os, from && transaction.layoutOf(from), layout)
  const first: ListedDeployment = {
    ...id,
    isPinned: carried.replaces?.isPinned ?? false,
    ...bootedWith(transaction.repository, layout, carried, context),
  }
  return {
    id,
    version: layout.commit.metadata.get('version') ?? null,
    conflicts,
    list: [first, ...staying(transaction, id, from, carried)],
  }
}

/**
 * Stage 2: what leaves is kept, the operation is logged, kernel and boot entries
 * are written, and one rename makes all of it the state. Killed before the
 * rename nothing has happened, after it everything.
 */
const publish = (
  transaction: Transaction,
  { id, version, list }: Prepared,
  kind: string,
): Promise<void> => {
  const shown = version === null ? '' : ` (${version})`
  return transaction.commit(kind, `${kind} ${shortName(id)}${shown}`, list)
}

/**
 * Stage 3: what is not listed any more goes. Killed here, the next transaction
 * goes on with it. Errors: `CLEANUP_FAILED`; the deployment is in force.
 */
const tidy = (
  transaction: Transaction,
  before: readonly ListedDeployment[],
): Pick<Deployed, 'removed' | 'freedBytes'> => {
  const { deployments } = transaction.state
  const removed = before.filter(
    old => !deployments.some(now => isSameDeployment(now, old)),
  )
  const freedBytes = removed.reduce(
    (sum, old) => sum + allocatedBytes(transaction.pathOf(old)),
    0,
  )
  transaction.dropUnlisted()
  return { removed, freedBytes }
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
  transaction: Transaction,
  from: DeploymentId | undefined,
  after: CommitLayout,
): PackageChange[] | undefined => {
  if (from === undefined) return undefined
  const { repository } = transaction
  const old = readPackages(repository, transaction.layoutOf(from).root)
  const next = readPackages(repository, after.root)
  return old === undefined || next === undefined
    ? undefined
    : diffPackages(old, next)
}

/** The deployments that stay besides `next`, in order. */
const staying = (
  { state, running }: Transaction,
  next: DeploymentId,
  from: ListedDeployment | undefined,
  { replaces, keep }: CarryOut,
): ListedDeployment[] => {
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
