/** Single changes of a deployment's /etc: reset, own, resolve. */

import { DendroError } from '../errors.ts'
import { digestOfBytes } from '../etc/defaults.ts'
import { differingPaths, EffectiveEtc } from '../etc/effective-etc.ts'
import { fileOf, isSameNode } from '../etc/etc-node.ts'
import { OwnedPaths } from '../etc/owned.ts'
import { globToRegExp } from '../etc/policy.ts'
import type { EtcPut } from '../etc/put-changes.ts'
import { ancestorsOf, isAtOrBelow } from '../etc/raw-path.ts'
import type { Conflict, DeploymentRecord } from '../sysroot/deployment.ts'
import { edit, putsTowards, toldPaths } from './etc-edit.ts'
import type { Edit } from './etc-edit.ts'
import { conflictVersion, requireConflict, shownPath } from './etc-view.ts'
import type { EtcView } from './etc-view.ts'
import type { Sysroot } from '../sysroot/session.ts'

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
  sysroot: Sysroot,
  options: ResetOptions,
): Promise<readonly string[]> =>
  edit(
    sysroot,
    { index: options.index, kind: 'etc reset', onWait: options.onWait },
    view => planReset(view, options),
  )

/** Undefined where nothing of it changed. */
const changedRecord = (
  before: DeploymentRecord,
  after: DeploymentRecord,
): DeploymentRecord | undefined =>
  JSON.stringify(before) === JSON.stringify(after) ? undefined : after

/** Both sides of a reset: what is there, and the defaults. */
const sidesOf = ({ changes, defaults }: EtcView) => ({
  now: new EffectiveEtc(changes, defaults),
  then: new EffectiveEtc(new Map(), defaults),
})

const planReset = (view: EtcView, { paths, keep }: ResetOptions): Edit => {
  const { now, then } = sidesOf(view)
  const isNamed = paths.length > 0
  const kept = keep.map(globToRegExp)
  const owned = new OwnedPaths(isNamed ? [] : view.record.owned)
  const stays = (path: string) =>
    owned.has(path) || kept.some(pattern => pattern.test(path))
  const differing = differingPaths(then, now, isNamed ? paths : [''])
  // A directory of mine stays for what stays in it.
  const above = new Set(
    differing
      .filter(path => stays(path) && now.get(path) !== undefined)
      .flatMap(ancestorsOf),
  )
  const isNeeded = (path: string) =>
    above.has(path) && then.get(path)?.kind !== 'directory'
  const chosen = differing.filter(path => !stays(path) && !isNeeded(path))
  const puts = putsTowards(then, now, chosen)
  const isReset = (path: string) =>
    isNamed && paths.some(named => isAtOrBelow(path, named))
  return {
    paths: toldPaths(now, puts),
    puts,
    record: changedRecord(view.record, {
      ...withoutConflicts(view.record, chosen),
      owned: view.record.owned.filter(path => !isReset(path)),
    }),
  }
}

/**
 * Keeps a path, and what is below it, mine also where it equals the default, or
 * is removed; or no longer. Errors: `NOT_FOUND`.
 */
export const ownPath = (
  sysroot: Sysroot,
  path: string,
  isOwned: boolean,
  index?: number,
): Promise<readonly string[]> =>
  edit(sysroot, { index, kind: isOwned ? 'etc own' : 'etc disown' }, view => {
    const isKnown =
      view.changes.get(path) !== undefined ||
      view.defaults.get(path) !== undefined
    const { owned } = view.record
    if (isOwned && !isKnown)
      throw new DendroError('NOT_FOUND', `there is no ${shownPath(path)}`, {
        hint: 'only what is there, or was, can be owned',
      })
    if (owned.includes(path) === isOwned) return { paths: [], puts: [] }
    const others = owned.filter(other => other !== path)
    return {
      paths: [path],
      puts: [],
      record: { ...view.record, owned: isOwned ? [...others, path] : others },
    }
  })

/** How a conflict is settled; bytes replace the content of mine. */
export type Resolution =
  'mine' | 'theirs' | 'merged' | { readonly bytes: Buffer }

/** Settles a conflict. Errors: `NOT_A_CONFLICT`. */
export const resolveConflict = (
  sysroot: Sysroot,
  path: string,
  resolution: Resolution,
  index?: number,
): Promise<readonly string[]> =>
  edit(sysroot, { index, kind: 'etc resolve' }, view => {
    const conflict = requireConflict(view, path)
    const { mine, theirs } = conflict
    const like = view.changes.get(path)
    if (typeof resolution === 'object' && like === undefined)
      throw new DendroError(
        'NOT_A_CONFLICT',
        `cannot edit ${shownPath(path)}: it is removed here`,
        { hint: 'settle it with --mine or --theirs' },
      )
    return {
      paths: [path],
      puts: settlingPuts(view, conflict, resolution),
      record: {
        ...withoutConflicts(view.record, [path]),
        settled: [...view.record.settled, { path, mine, theirs }],
      },
    }
  })

const settlingPuts = (
  view: EtcView,
  conflict: Conflict,
  resolution: Resolution,
): EtcPut[] => {
  const { path } = conflict
  const like = view.changes.get(path)
  if (typeof resolution === 'object' && like !== undefined) {
    const { bytes } = resolution
    return [{ path, node: fileOf(bytes, digestOfBytes(bytes), like) }]
  }
  if (resolution !== 'theirs') return []
  // Theirs is the default, or what the /etc had that ran meanwhile.
  const theirs = conflictVersion(view, conflict, 'theirs')
  if (!isSameNode(theirs, view.defaults.get(path)))
    return [{ path, node: theirs }]
  const { now, then } = sidesOf(view)
  const isDirectory = now.get(path)?.kind === 'directory'
  const differing = differingPaths(then, now, [path])
  // In a directory of both sides every path has a conflict of its own.
  const chosen = isDirectory ? differing.filter(one => one === path) : differing
  return putsTowards(then, now, chosen)
}
