/** A deployment's /etc as it is: what was changed, and what is in conflict. */

import { latin1ToDisplay, textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { diffEtc } from '../etc/etc-diff.ts'
import type { EtcChange } from '../etc/etc-diff.ts'
import type { EtcNode, Maybe } from '../etc/etc-node.ts'
import { LayerHistory } from '../etc/history.ts'
import type { Snapshot } from '../etc/history.ts'
import { readLayer } from '../etc/layer.ts'
import type { Changes } from '../etc/layer.ts'
import { markOverlaps } from '../etc/merge-text.ts'
import type { Repository } from '../store/repository.ts'
import { inspectCommit } from '../sysroot/commit-layout.ts'
import { oldVersion } from './conflict-versions.ts'
import type { Side } from './conflict-versions.ts'
import { readRecord } from '../sysroot/deployment.ts'
import type { Conflict, DeploymentRecord } from '../sysroot/deployment.ts'
import { noDeployment, runningOf } from './plan-deploy.ts'
import { deploymentAt } from './switch.ts'
import { commitOf, deploymentPath, layerPath } from '../sysroot/sysroot.ts'
import type {
  ListedDeployment,
  SysrootPaths,
  SysrootState,
} from '../sysroot/sysroot.ts'

/** The deployment meant: of an index, the running one, or the default. */
export const chooseDeployment = (
  paths: SysrootPaths,
  state: SysrootState,
  index: number | undefined,
): ListedDeployment => {
  if (index !== undefined) return deploymentAt(state, index)
  const chosen = runningOf(paths, state) ?? state.deployments[0]
  if (chosen !== undefined) return chosen
  throw noDeployment()
}

/** A raw path relative to /etc, of what a person wrote. Errors: `INVALID_ARGUMENT`. */
export const toEtcPath = (text: string): string => {
  const raw = textToLatin1(text).replace(/^\/etc(?=\/|$)/, '')
  const parts = raw.split('/').filter(part => part !== '' && part !== '.')
  if (!parts.includes('..')) return parts.join('/')
  throw new DendroError('INVALID_ARGUMENT', `bad path ${text}: it has '..'`, {
    hint: 'name the path below /etc',
  })
}

export const shownPath = (path: string): string =>
  `/etc/${latin1ToDisplay(path)}`

/** A deployment's /etc as it is. */
export interface EtcView {
  readonly deployment: ListedDeployment
  readonly record: DeploymentRecord
  readonly defaults: CommitDefaults
  readonly changes: Changes
}

export const readEtc = (
  repository: Repository,
  paths: SysrootPaths,
  deployment: ListedDeployment,
): EtcView => {
  const layout = inspectCommit(repository, commitOf(deployment))
  const defaults = new CommitDefaults(repository, layout.defaults)
  const upper = textToLatin1(layerPath(paths, deployment))
  return {
    deployment,
    record: readRecord(paths, deployment),
    defaults,
    changes: readLayer(upper, defaults),
  }
}

export const changesOf = (view: EtcView): EtcChange[] =>
  diffEtc(view.changes, view.defaults)

/** Errors: `NOT_A_CONFLICT`. */
export const requireConflict = (view: EtcView, path: string): Conflict => {
  const conflict = view.record.conflicts.find(known => known.path === path)
  if (conflict !== undefined) return conflict
  throw new DendroError(
    'NOT_A_CONFLICT',
    `there is no conflict at ${shownPath(path)}`,
    { hint: 'dendro etc conflicts lists them' },
  )
}

/** One of the three versions of a conflict; undefined where there was nothing. */
export const conflictVersion = (
  paths: SysrootPaths,
  view: EtcView,
  conflict: Conflict,
  side: Side,
): Maybe => oldVersion(deploymentPath(paths, view.deployment), conflict, side)

/** All three versions with markers, for an editor; undefined where one is no text. */
export const editableConflict = (
  paths: SysrootPaths,
  view: EtcView,
  conflict: Conflict,
): string | undefined => {
  const texts = (['base', 'mine', 'theirs'] as const).map(side =>
    textOf(conflictVersion(paths, view, conflict, side)),
  )
  const [base, mine, theirs] = texts
  if (mine === undefined || theirs === undefined) return undefined
  return markOverlaps(base ?? '', mine, theirs)
}

/** The content of a text file as latin1. */
export const textOf = (node: EtcNode | undefined): string | undefined => {
  if (node?.kind !== 'file' || node.sizeBytes > MAX_TEXT_BYTES) return undefined
  const chunks: Buffer[] = []
  for (const { bytes } of node.pieces()) chunks.push(Buffer.from(bytes))
  const text = Buffer.concat(chunks).toString('latin1')
  return text.includes('\0') ? undefined : text
}

const MAX_TEXT_BYTES = 4 * 1024 * 1024

/** Snapshots of the layers of an OS, newest first. */
export const etcLog = (paths: SysrootPaths, os: string): Snapshot[] => {
  const history = new LayerHistory(paths.history)
  try {
    return history.list(os)
  } finally {
    history.close()
  }
}
