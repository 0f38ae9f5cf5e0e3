/**
 * Single changes of a deployment's /etc: reset, own, resolve, restore. Each is
 * one entry in the operation log, between two snapshots of the layer.
 */

import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import { CommitDefaults, digestOfBytes } from '../etc/defaults.ts'
import { EffectiveEtc } from '../etc/effective-etc.ts'
import type { EtcChange } from '../etc/etc-diff.ts'
import { fileOf, isSameNode } from '../etc/etc-node.ts'
import { layerTarget, mountedTarget } from '../etc/etc-target.ts'
import type { EtcTarget } from '../etc/etc-target.ts'
import { readLayerFrom } from '../etc/layer.ts'
import { globToRegExp } from '../etc/policy.ts'
import type { Repository } from '../store/repository.ts'
import { joinRaw } from '../tree/scan.ts'
import { inspectCommit } from './commit-layout.ts'
import { writeRecord } from './deployment.ts'
import type { DeploymentRecord } from './deployment.ts'
import {
  changesOf,
  chooseDeployment,
  readEtc,
  requireConflict,
  shownPath,
} from './etc-view.ts'
import type { EtcView } from './etc-view.ts'
import { reachable, runningLayer } from './running.ts'
import { snapshotLayer } from './switch.ts'
import { commitOf, deploymentName, layerPath, shortName } from './sysroot.ts'
import type { SysrootPaths } from './sysroot.ts'
import { withTransaction } from './transaction.ts'
import type { Transaction } from './transaction.ts'

/** A change of a deployment's /etc that is known and not done yet. */
interface Edit {
  /** Raw paths that it changes. */
  readonly paths: readonly string[]
  /** What the deployment's record becomes; undefined where it stays. */
  readonly record?: DeploymentRecord | undefined
  /** Puts each of the paths. */
  apply?(target: EtcTarget): void
}

/** Runs one change between two snapshots; the paths that changed. */
const edit = (
  repository: Repository,
  paths: SysrootPaths,
  index: number | undefined,
  kind: string,
  plan: (view: EtcView) => Edit,
  onWait?: () => void,
): Promise<readonly string[]> =>
  withTransaction(paths, repository, onWait, transaction => {
    const deployment = chooseDeployment(paths, transaction.state, index)
    const view = readEtc(repository, paths, deployment)
    return carryOut(transaction, view, plan(view), { kind })
  })

interface LoggedAs {
  readonly kind: string
  /** What the log says; made of kind and paths when it is left out. */
  readonly text?: string
  readonly undoes?: string
}

/**
 * Does what was planned, logged before it is done: what is cut short is in the
 * log with what was tried, and can be taken back. Nothing planned is no
 * operation. Errors: those of the target, with what was done until then logged.
 */
const carryOut = async (
  transaction: Transaction,
  view: EtcView,
  planned: Edit,
  { kind, text, undoes }: LoggedAs,
): Promise<readonly string[]> => {
  const { deployment } = view
  if (planned.paths.length === 0 && planned.record === undefined) return []
  const before = await snapshotLayer(transaction, deployment, `before ${kind}`)
  const said = (done: readonly string[]): string =>
    text ?? `${kind} ${shownPaths(done)} in ${shortName(deployment)}`
  const details = {
    ...(undoes === undefined ? {} : { undoes }),
    deployment: deploymentName(deployment),
    record: view.record,
  }
  await transaction.commit(
    kind,
    said(planned.paths),
    transaction.state.deployments,
    { ...details, paths: planned.paths, snapshots: { before } },
  )
  const tried = new Set<string>()
  const target = targetOf(transaction.paths, view)
  try {
    planned.apply?.({
      put: (path, node) => {
        tried.add(path)
        target.put(path, node)
      },
    })
    if (planned.record !== undefined)
      writeRecord(transaction.pathOf(deployment), planned.record)
    const after = await snapshotLayer(transaction, deployment, kind)
    transaction.amend({ snapshots: { before, after } })
  } catch (error) {
    transaction.amend({
      text: `${said([...tried])} (cut short)`,
      paths: [...tried],
      isCutShort: true,
    })
    throw error
  }
  return planned.paths
}

const shownPaths = (paths: readonly string[]): string => {
  const shown = paths.slice(0, 3).map(shownPath).join(' ')
  return paths.length > 3 ? `${shown} and ${paths.length - 3} more` : shown
}

const targetOf = (paths: SysrootPaths, view: EtcView): EtcTarget => {
  const running = runningLayer(layerPath(paths, view.deployment))
  return running === undefined
    ? layerTarget(
        textToLatin1(layerPath(paths, view.deployment)),
        view.defaults,
      )
    : mountedTarget(textToLatin1(reachable(running)))
}

/** Puts the default back, with all that is in it where a directory was gone. */
const putDefault = (view: EtcView, target: EtcTarget, path: string): void => {
  const node = view.defaults.get(path)
  target.put(path, node)
  const was = view.changes.get(path)
  const isWhole = view.changes.has(path) && was?.kind !== 'directory'
  if (node?.kind !== 'directory' || !isWhole) return
  const fill = (directory: string): void => {
    for (const name of view.defaults.names(directory)) {
      const child = joinRaw(directory, name)
      target.put(child, view.defaults.get(child))
      fill(child)
    }
  }
  fill(path)
}

const isAtOrBelow = (path: string, above: string): boolean =>
  above === '' || path === above || path.startsWith(`${above}/`)

const withoutConflicts = (
  record: DeploymentRecord,
  paths: readonly string[],
): DeploymentRecord => ({
  ...record,
  conflicts: record.conflicts.filter(({ path }) => !paths.includes(path)),
})

export interface ResetOptions {
  /** Raw paths; everything when empty. */
  readonly paths: readonly string[]
  /** Globs of what stays as it is. */
  readonly keep: readonly string[]
  readonly index?: number | undefined
  readonly onWait?: () => void
}

/** Puts defaults back; the paths that changed. Undone by `undo`. */
export const resetEtc = (
  repository: Repository,
  paths: SysrootPaths,
  options: ResetOptions,
): Promise<readonly string[]> =>
  edit(
    repository,
    paths,
    options.index,
    'etc reset',
    view => {
      const kept = options.keep.map(globToRegExp)
      const isNamed = options.paths.length > 0
      const owned = new Set(isNamed ? [] : view.record.owned)
      const chosen = changesOf(view).filter(
        ({ path }) =>
          (!isNamed || options.paths.some(above => isAtOrBelow(path, above))) &&
          !kept.some(pattern => pattern.test(path)) &&
          !owned.has(path),
      )
      const changed = chosen.map(({ path }) => path)
      return {
        paths: changed,
        record: changedRecord(view.record, {
          ...withoutConflicts(view.record, changed),
          owned: view.record.owned.filter(path => !changed.includes(path)),
        }),
        apply: target => {
          // What was added goes from the leaves up; what is put back comes down.
          for (const { path } of chosen.filter(c => c.kind === 'A').reverse())
            if (!hasKept(view, path, chosen)) target.put(path, undefined)
          for (const { path } of chosen.filter(c => c.kind !== 'A'))
            putDefault(view, target, path)
        },
      }
    },
    options.onWait,
  )

/** Undefined where nothing of it changed. */
const changedRecord = (
  before: DeploymentRecord,
  after: DeploymentRecord,
): DeploymentRecord | undefined =>
  JSON.stringify(before) === JSON.stringify(after) ? undefined : after

/** Whether an added directory holds something that stays. */
const hasKept = (
  view: EtcView,
  path: string,
  chosen: readonly EtcChange[],
): boolean => {
  const going = new Set(chosen.map(change => change.path))
  return [...view.changes].some(
    ([below, node]) =>
      node !== undefined && below.startsWith(`${path}/`) && !going.has(below),
  )
}

/** Keeps a path mine also where it equals the default, or no longer. */
export const ownPath = (
  repository: Repository,
  paths: SysrootPaths,
  path: string,
  isOwned: boolean,
  index?: number,
): Promise<readonly string[]> =>
  edit(repository, paths, index, isOwned ? 'etc own' : 'etc disown', view => {
    const node = view.changes.has(path)
      ? view.changes.get(path)
      : view.defaults.get(path)
    if (isOwned && node === undefined)
      throw new DendroError('NOT_FOUND', `there is no ${shownPath(path)}`, {
        hint: 'only what is there can be owned',
      })
    if (view.record.owned.includes(path) === isOwned) return { paths: [] }
    const others = view.record.owned.filter(owned => owned !== path)
    return {
      paths: [path],
      record: { ...view.record, owned: isOwned ? [...others, path] : others },
    }
  })

/** How a conflict is settled; bytes replace the content of mine. */
export type Resolution =
  'mine' | 'theirs' | 'merged' | { readonly bytes: Buffer }

/** Settles a conflict. Errors: `NOT_A_CONFLICT`. */
export const resolveConflict = (
  repository: Repository,
  paths: SysrootPaths,
  path: string,
  resolution: Resolution,
  index?: number,
): Promise<readonly string[]> =>
  edit(repository, paths, index, 'etc resolve', view => {
    const { mine, theirs } = requireConflict(view, path)
    const like = view.changes.get(path)
    if (typeof resolution === 'object' && like === undefined)
      throw new DendroError(
        'NOT_A_CONFLICT',
        `cannot edit ${shownPath(path)}: it is removed here`,
        { hint: 'settle it with --mine or --theirs' },
      )
    return {
      paths: [path],
      record: {
        ...withoutConflicts(view.record, [path]),
        settled: [...view.record.settled, { path, mine, theirs }],
      },
      apply: target => {
        if (resolution === 'theirs') putDefault(view, target, path)
        if (typeof resolution !== 'object' || like === undefined) return
        const { bytes } = resolution
        target.put(path, fileOf(bytes, digestOfBytes(bytes), like))
      },
    }
  })

/** Plans to put all at and below some paths back to what it was in a snapshot. */
const planSnapshot = (
  { history, repository }: Transaction,
  view: EtcView,
  snapshotId: string,
  above: readonly string[],
): Edit => {
  const { commit } = history.snapshot(snapshotId)
  const layout = inspectCommit(
    repository,
    commitOf({ ...view.deployment, commit }),
  )
  const defaults = new CommitDefaults(repository, layout.defaults)
  const changes = readLayerFrom(history.layer(snapshotId), defaults)
  const then = new EffectiveEtc(changes, defaults)
  const now = new EffectiveEtc(view.changes, view.defaults)
  const all = above.flatMap(path => [...then.paths(path), ...now.paths(path)])
  const differing = [...new Set(all)]
    .sort()
    .filter(path => !isSameNode(then.get(path), now.get(path)))
  return {
    paths: differing,
    apply: target => {
      // What is to go goes from the leaves up; what comes back comes down.
      for (const path of [...differing].reverse())
        if (then.get(path) === undefined) target.put(path, undefined)
      for (const path of differing) {
        const node = then.get(path)
        if (node !== undefined) target.put(path, node)
      }
    },
  }
}

/**
 * Puts `path` back to what it was in the snapshot that `etcLog` shows as
 * `number`; the paths that changed. Errors: `NOT_FOUND`.
 */
export const restorePath = (
  repository: Repository,
  paths: SysrootPaths,
  path: string,
  number: number,
  index?: number,
): Promise<readonly string[]> =>
  withTransaction(paths, repository, undefined, transaction => {
    const deployment = chooseDeployment(paths, transaction.state, index)
    const view = readEtc(repository, paths, deployment)
    // Before this operation takes snapshots of its own.
    const snapshot = transaction.history.list(deployment.os)[number]
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
  const { paths, repository, state } = transaction
  const deployment = state.deployments.find(one => deploymentName(one) === name)
  if (deployment === undefined)
    throw new DendroError(
      'CANNOT_UNDO',
      `cannot undo ${id} (${text}): deployment ${name} is no longer there`,
      { hint: 'its layers are in dendro etc log' },
    )
  const view = readEtc(repository, paths, deployment)
  const planned = planSnapshot(transaction, view, snapshot, above)
  await carryOut(
    transaction,
    view,
    { ...planned, record },
    { kind: 'undo', text: `undo ${id}: ${text}`, undoes: id },
  )
}
