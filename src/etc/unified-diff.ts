/** Differences of two texts in the unified format (diff(1), POSIX). Pure. */

import { diffLines } from './line-diff.ts'
import { splitLines } from './merge-text.ts'

const CONTEXT = 3

interface Change {
  readonly from: number
  readonly removed: readonly string[]
  readonly to: number
  readonly added: readonly string[]
}

/** Lines of the hunks; empty for equal texts. Texts and lines are latin1. */
export const unifiedDiff = (
  before: string,
  after: string,
  names: readonly [string, string],
): string[] => {
  const old = splitLines(before)
  const next = splitLines(after)
  const changes = diffLines(old, next).map(({ from, removed, to, added }) => ({
    from,
    removed: old.slice(from, from + removed),
    to,
    added: next.slice(to, to + added),
  }))
  if (changes.length === 0) return []
  const lines = [`--- ${names[0]}`, `+++ ${names[1]}`]
  for (const hunk of groupHunks(changes)) lines.push(...hunkLines(hunk, old))
  return lines
}

/** Changes whose contexts touch stand in one hunk. */
const groupHunks = (changes: readonly Change[]): Change[][] => {
  const hunks: Change[][] = []
  for (const change of changes) {
    const last = hunks.at(-1)?.at(-1)
    const end = last === undefined ? -1 : last.from + last.removed.length
    if (last !== undefined && change.from - end <= 2 * CONTEXT)
      hunks.at(-1)?.push(change)
    else hunks.push([change])
  }
  return hunks
}

const hunkLines = (
  hunk: readonly Change[],
  old: readonly string[],
): string[] => {
  const first = hunk[0] as Change
  const last = hunk.at(-1) as Change
  const begin = Math.max(0, first.from - CONTEXT)
  const end = Math.min(old.length, last.from + last.removed.length + CONTEXT)
  const grown = hunk.reduce((n, c) => n + c.added.length - c.removed.length, 0)
  const oldCount = end - begin
  const newCount = oldCount + grown
  const newBegin = first.to - (first.from - begin)
  const range = (at: number, count: number) =>
    count === 1 ? `${at + 1}` : `${count === 0 ? at : at + 1},${count}`
  const lines = [
    `@@ -${range(begin, oldCount)} +${range(newBegin, newCount)} @@`,
  ]
  const push = (mark: string, text: string) => {
    if (text.endsWith('\n')) lines.push(mark + text.slice(0, -1))
    else lines.push(mark + text, '\\ No newline at end of file')
  }
  let at = begin
  for (const { from, removed, added } of hunk) {
    for (; at < from; at++) push(' ', old[at] as string)
    for (const text of removed) push('-', text)
    for (const text of added) push('+', text)
    at = from + removed.length
  }
  for (; at < end; at++) push(' ', old[at] as string)
  return lines
}
