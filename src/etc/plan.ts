/**
 * The 3-way merge of /etc as a plan: what becomes of every path that I
 * changed. Pure; applying it is layer-writer.ts, showing it the command line,
 * and both read the same plan.
 *
 * Unchanged by me: theirs, which needs no entry, since the new defaults are
 * the lower layer of the new overlay. Changed by me alone: mine. Changed by
 * both: merged where nothing overlaps, else mine, and a conflict is recorded.
 * The table of all cases: docs/etc-merge.md
 */

import { latin1ToBytes, latin1ToDisplay } from '../bytes/latin1.ts'
import {
  fileOf,
  hasSameContent,
  isSameNode,
  readWhole,
  withMetadata,
} from './etc-node.ts'
import type { EtcFile, EtcNode, Maybe } from './etc-node.ts'
import type { Sysusers } from './merge-accounts.ts'
import { mergeContent } from './merge-content.ts'
import { mergeMetadata } from './merge-metadata.ts'
import { joinAccounts } from './plan-accounts.ts'
import type { OwnedPaths } from './owned.ts'
import type { MergePolicy } from './policy.ts'
import { ancestorsOf, byPath } from './raw-path.ts'

/** A tree of defaults, asked path by path (raw, relative to /etc). */
export interface Defaults {
  get(path: string): Maybe
  /** Names in a directory; none where it is no directory. */
  names(path: string): readonly string[]
}

export interface PlanInput {
  /** What the layer says: every path it names, undefined for what it hides. */
  readonly changes: ReadonlyMap<string, Maybe>
  readonly base: Defaults
  readonly theirs: Defaults
  /** Whether everything below a directory is the same in base and theirs. */
  readonly isSameBelow: (path: string) => boolean
  readonly policy: MergePolicy
  /** The lines of the sysusers.d files of both versions, where they count. */
  readonly sysusers?: Sysusers
  /** Paths that stay mine also where they equal the defaults. */
  readonly owned: OwnedPaths
  /** The content address of new bytes, as EtcFile.digest has it. */
  readonly digestOf: (bytes: Buffer) => string
}

export interface PlanItem {
  readonly path: string
  readonly base: Maybe
  readonly mine: Maybe
  readonly theirs: Maybe
  readonly source: 'mine' | 'theirs' | 'merged'
  /** What stands there afterwards. */
  readonly result: Maybe
  /** Why it is a conflict, in which mine is in force. */
  readonly conflict: string | undefined
  /** The policy forbids to go on. */
  readonly isForbidden: boolean
}

/** What stands at a path on the three sides. */
export interface Sides {
  readonly base: Maybe
  readonly mine: Maybe
  readonly theirs: Maybe
}

export interface MergePlan {
  /** In path order: a directory before what is in it. */
  readonly items: readonly PlanItem[]
}

export const conflictsOf = ({ items }: MergePlan): PlanItem[] =>
  items.filter(({ conflict }) => conflict !== undefined)

/** Whether the new layer needs an entry for the item. */
export const isInLayer = (item: PlanItem, isOwned: boolean): boolean =>
  (isOwned && item.result !== undefined) ||
  !isSameNode(item.result, item.theirs)

export const planMerge = (input: PlanInput): MergePlan => {
  const items = new Map<string, PlanItem>()
  for (const [path, mine] of withOwned(input)) {
    const item = decide(input, path, mine)
    if (item !== undefined) items.set(path, item)
  }
  joinAccounts(input, items)
  keepAncestors(input, items)
  return { items: [...items.values()].sort((a, b) => byPath(a.path, b.path)) }
}

/** The changes, and all that is owned as it stands, changed or not. */
const withOwned = ({
  changes,
  base,
  theirs,
  owned,
}: PlanInput): Map<string, Maybe> => {
  const all = new Map(changes)
  const isHidden = (path: string) =>
    ancestorsOf(path).some(
      above => changes.has(above) && changes.get(above)?.kind !== 'directory',
    )
  const add = (path: string): void => {
    if (!changes.has(path))
      all.set(path, isHidden(path) ? undefined : base.get(path))
    for (const name of new Set([...base.names(path), ...theirs.names(path)]))
      add(path === '' ? name : `${path}/${name}`)
  }
  for (const root of owned.roots) add(root)
  return all
}

/** Undefined where I changed nothing. */
const decide = (
  input: PlanInput,
  path: string,
  mine: Maybe,
): PlanItem | undefined => {
  const base = input.base.get(path)
  const theirs = input.theirs.get(path)
  const isOwned = input.owned.has(path)
  if (!isOwned && isSameNode(mine, base)) return undefined
  const item = (
    source: PlanItem['source'],
    result: Maybe,
    conflict?: string,
    isForbidden = false,
  ): PlanItem => ({
    path,
    base,
    mine,
    theirs,
    source,
    result,
    conflict,
    isForbidden,
  })
  if (isOwned) return item('mine', mine)
  if (isSameNode(mine, theirs)) return item('theirs', theirs)
  const sides: Sides = { base, mine, theirs }
  if (!isChangedThere(input, path, sides)) return item('mine', mine)
  switch (input.policy.of(path)) {
    case 'keep-mine':
      return item('mine', mine)
    case 'take-theirs':
      return item('theirs', theirs)
    case 'fail':
      return item('mine', mine, 'both changed it', true)
    case 'merge': {
      const merged = mergeNodes(input, path, sides)
      return typeof merged === 'string'
        ? item('mine', mine, merged)
        : item('merged', merged)
    }
  }
}

/**
 * A directory that I removed or replaced was changed there when anything in it
 * was.
 */
const isChangedThere = (
  input: PlanInput,
  path: string,
  { base, mine, theirs }: Sides,
): boolean => {
  if (!isSameNode(base, theirs)) return true
  const isWhole = base?.kind === 'directory' && mine?.kind !== 'directory'
  return isWhole && !input.isSameBelow(path)
}

const describe = (node: Maybe): string =>
  node?.kind === 'symlink'
    ? `a link to ${latin1ToDisplay(node.target)}`
    : (node?.kind ?? 'nothing')

/** The merged node, or why there is none. */
const mergeNodes = (
  input: PlanInput,
  path: string,
  { base, mine, theirs }: Sides,
): EtcNode | string => {
  if (mine === undefined) return 'removed here, changed there'
  if (theirs === undefined) return 'changed here, removed there'
  if (mine.kind !== theirs.kind)
    return `${describe(mine)} here, ${describe(theirs)} there`
  if (base !== undefined && base.kind !== mine.kind)
    return `was ${describe(base)}, is ${describe(mine)} on both sides now`
  const metadata = mergeMetadata(base, mine, theirs)
  if (typeof metadata === 'string') return metadata
  const content = mergeContents(input, path, { base, mine, theirs })
  if (typeof content === 'string') return content
  return withMetadata(content, metadata)
}

const mergeContents = (
  input: PlanInput,
  path: string,
  { base, mine, theirs }: Sides & Record<'mine' | 'theirs', EtcNode>,
): EtcNode | string => {
  if (hasSameContent(mine, theirs)) return mine
  if (base !== undefined && hasSameContent(base, mine)) return theirs
  if (base !== undefined && hasSameContent(base, theirs)) return mine
  if (mine.kind !== 'file' || theirs.kind !== 'file')
    return mine.kind === 'symlink'
      ? 'both changed where it points'
      : 'both changed it'
  const texts = [base, mine, theirs].map(node =>
    node === undefined
      ? undefined
      : readWhole(node as EtcFile)?.toString('latin1'),
  )
  const [before, here, there] = texts
  if (here === undefined || there === undefined) return 'too large to merge'
  if (base !== undefined && before === undefined) return 'too large to merge'
  const merged = mergeContent(path, before, here, there)
  if (!('text' in merged)) return merged.overlaps.slice(0, 3).join('; ')
  const bytes = latin1ToBytes(merged.text)
  return fileOf(bytes, input.digestOf(bytes), mine)
}

/** What stays needs directories above it, also where theirs has none now. */
const keepAncestors = (
  input: PlanInput,
  items: Map<string, PlanItem>,
): void => {
  for (const item of [...items.values()]) {
    if (item.source === 'theirs' || item.result === undefined) continue
    for (const path of ancestorsOf(item.path)) {
      const own = items.get(path)
      const theirs = input.theirs.get(path)
      const result = own === undefined ? theirs : own.result
      if (result?.kind === 'directory') continue
      const mine = own?.mine ?? input.base.get(path)
      if (mine?.kind !== 'directory') continue
      items.set(path, {
        path,
        base: input.base.get(path),
        mine,
        theirs,
        source: 'mine',
        result: mine,
        conflict:
          theirs === undefined
            ? own?.conflict
            : `directory here, ${describe(theirs)} there`,
        isForbidden: own?.isForbidden ?? false,
      })
    }
  }
}
