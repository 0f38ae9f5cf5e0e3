/** A deployment's /etc as it is: what was changed, and what is in conflict. */

import { latin1ToDisplay, textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { diffEtc } from '../etc/etc-diff.ts'
import type { EtcChange } from '../etc/etc-diff.ts'
import type { EtcNode, Maybe } from '../etc/etc-node.ts'
import type { Snapshot } from '../etc/history.ts'
import { readLayer } from '../etc/layer.ts'
import type { Changes } from '../etc/layer.ts'
import { markOverlaps } from '../etc/merge-text.ts'
import { oldVersion } from './conflict-versions.ts'
import type { Side } from './conflict-versions.ts'
import type { Conflict, DeploymentRecord } from '../sysroot/deployment.ts'
import { noDeployment } from './plan-deploy.ts'
import { deploymentAt } from './switch.ts'
import type { Sysroot } from '../sysroot/session.ts'
import type { ListedDeployment } from '../sysroot/sysroot.ts'

/**
 * The deployment meant: of an index as `status` has it, the running one, or the
 * default. Errors: `NO_DEPLOYMENT`.
 */
export const chooseDeployment = (
  sysroot: Sysroot,
  index: number | undefined,
): ListedDeployment => {
  const { state } = sysroot
  if (index !== undefined) return deploymentAt(state, index)
  const chosen = sysroot.runningHere ?? state.deployments[0]
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
  /** The directory of the deployment. */
  readonly directory: string
  readonly record: DeploymentRecord
  readonly defaults: CommitDefaults
  readonly changes: Changes
}

/** Errors: damage of its commit or its record, system errors. */
export const readEtc = (
  sysroot: Sysroot,
  deployment: ListedDeployment,
): EtcView => {
  const layout = sysroot.layoutOf(deployment)
  const defaults = new CommitDefaults(sysroot.repository, layout.defaults)
  const upper = textToLatin1(sysroot.layerOf(deployment))
  return {
    deployment,
    directory: sysroot.pathOf(deployment),
    record: sysroot.recordOf(deployment),
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
  { directory }: EtcView,
  conflict: Conflict,
  side: Side,
): Maybe => oldVersion(directory, conflict, side)

/** All three versions with markers, for an editor; undefined where one is no text. */
export const editableConflict = (
  view: EtcView,
  conflict: Conflict,
): string | undefined => {
  const texts = (['base', 'mine', 'theirs'] as const).map(side =>
    textOf(conflictVersion(view, conflict, side)),
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
export const etcLog = ({ history }: Sysroot, os: string): Snapshot[] =>
  history.list(os)
