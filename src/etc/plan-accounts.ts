/**
 * The part of a plan that is about the account files: they are one database,
 * so what becomes of one depends on what becomes of the others. Pure.
 */

import { latin1ToBytes } from '../bytes/latin1.ts'
import { ACCOUNT_FILES } from './account-files.ts'
import type { AccountFile } from './account-files.ts'
import { fileOf, isSameNode, readWhole, withMetadata } from './etc-node.ts'
import type { EtcFile, EtcNode, Maybe } from './etc-node.ts'
import { mergeAccounts } from './merge-accounts.ts'
import type { Contents } from './merge-accounts.ts'
import { mergeMetadata } from './merge-metadata.ts'
import { isText } from './merge-text.ts'
import type { PlanInput, PlanItem, Sides } from './plan.ts'

const NO_SYSUSERS = { base: '', theirs: '' }

/** Replaces the items of the account files, where they can be merged as one. */
export const joinAccounts = (
  input: PlanInput,
  items: Map<string, PlanItem>,
): void => {
  const files = new Map<AccountFile, Sides>()
  for (const path of ACCOUNT_FILES) {
    const base = input.base.get(path)
    const theirs = input.theirs.get(path)
    const mine = input.changes.has(path) ? input.changes.get(path) : base
    if (base !== undefined || mine !== undefined || theirs !== undefined)
      files.set(path, { base, mine, theirs })
  }
  if (!areToBeJoined(input, files)) return
  const contents = contentsOf(files)
  if (contents === undefined) return
  const fixed = new Set([...files.keys()].filter(path => isFixed(input, path)))
  const { texts, reasons } = mergeAccounts(
    contents,
    input.sysusers ?? NO_SYSUSERS,
    fixed,
  )
  for (const [path, sides] of files) {
    const item = itemOf(input, path, sides, {
      text: texts.get(path) as string,
      reasons: reasons.get(path) ?? [],
    })
    if (item === undefined) items.delete(path)
    else items.set(path, item)
  }
}

const isFixed = (input: PlanInput, path: string): boolean =>
  input.owned.has(path) || input.policy.of(path) === 'keep-mine'

/** Both sides changed something, and nobody said what is to become of a file. */
const areToBeJoined = (
  input: PlanInput,
  files: ReadonlyMap<AccountFile, Sides>,
): boolean => {
  const all = [...files.values()]
  const isMerged = [...files.keys()].every(
    path => isFixed(input, path) || input.policy.of(path) === 'merge',
  )
  return (
    isMerged &&
    files.get('passwd')?.theirs !== undefined &&
    files.get('group')?.theirs !== undefined &&
    all.some(({ base, mine }) => !isSameNode(base, mine)) &&
    all.some(({ base, theirs }) => !isSameNode(base, theirs))
  )
}

/** Undefined where one is no file of text, or was removed by me. */
const contentsOf = (
  files: ReadonlyMap<AccountFile, Sides>,
): ReadonlyMap<AccountFile, Contents> | undefined => {
  const contents = new Map<AccountFile, Contents>()
  for (const [path, { base, mine, theirs }] of files) {
    if (base !== undefined && mine === undefined) return undefined
    const [before, here, there] = [base, mine, theirs].map(textOf)
    if (before === null || here === null || there === null) return undefined
    contents.set(path, { base: before, mine: here, theirs: there })
  }
  return contents
}

const textOf = (node: Maybe): string | undefined | null => {
  if (node === undefined) return undefined
  const text =
    node.kind === 'file' ? readWhole(node)?.toString('latin1') : undefined
  return text !== undefined && isText(text) ? text : null
}

interface MergedFile {
  readonly text: string
  /** Why it is a conflict. */
  readonly reasons: readonly string[]
}

const itemOf = (
  input: PlanInput,
  path: AccountFile,
  { base, mine, theirs }: Sides,
  { text, reasons }: MergedFile,
): PlanItem | undefined => {
  const like = (mine ?? theirs) as EtcNode
  const metadata =
    mine === undefined || theirs === undefined
      ? like
      : mergeMetadata(base, mine, theirs)
  const why = [...(typeof metadata === 'string' ? [metadata] : []), ...reasons]
  const file = fileWith(input, text, [mine, theirs], like)
  const result =
    typeof metadata === 'string' || isFixed(input, path)
      ? withMetadata(file, like)
      : withMetadata(file, metadata)
  const isUntouched = isSameNode(base, mine) && isSameNode(result, theirs)
  if (isUntouched && why.length === 0) return undefined
  const source = isSameNode(result, mine)
    ? 'mine'
    : isSameNode(result, theirs)
      ? 'theirs'
      : 'merged'
  return {
    path,
    base,
    mine,
    theirs,
    source,
    result,
    conflict: why.length === 0 ? undefined : why.slice(0, 3).join('; '),
    isForbidden: false,
  }
}

/** A file of the text: one that is there already, where it has the same. */
const fileWith = (
  input: PlanInput,
  text: string,
  known: readonly Maybe[],
  like: EtcNode,
): EtcFile => {
  const bytes = latin1ToBytes(text)
  const digest = input.digestOf(bytes)
  const same = known.find(
    (node): node is EtcFile => node?.kind === 'file' && node.digest === digest,
  )
  return same ?? fileOf(bytes, digest, like)
}
