/**
 * Three-way merge of text, line by line. Pure.
 *
 * Source of the method: Khanna, Kunal and Pierce, "A Formal Investigation of
 * Diff3" (2007), as the package node-diff3 does it.
 */

import { diff3Merge } from 'node-diff3'

/** More than any text under /etc; the method is quadratic where all differs. */
const MAX_LINES = 20_000

/** A merge that went through, or why it did not: one reason per overlap. */
export type Merged =
  { readonly text: string } | { readonly overlaps: readonly string[] }

/** Lines with their line ends; the last one may lack it. */
export const splitLines = (text: string): string[] =>
  text === '' ? [] : text.split(/(?<=\n)/)

/** Whether latin1 text looks like text to a person. */
export const isText = (text: string): boolean => !text.includes('\0')

/** The lines are those of all three sides with what either side did. */
export const mergeText = (
  base: string,
  mine: string,
  theirs: string,
): Merged => {
  const sides = [mine, base, theirs].map(splitLines) as [
    string[],
    string[],
    string[],
  ]
  if (sides.some(lines => lines.length > MAX_LINES))
    return { overlaps: [`more than ${MAX_LINES} lines`] }
  const overlaps: string[] = []
  const out: string[] = []
  let line = 1
  for (const region of diff3Merge(...sides, { excludeFalseConflicts: true })) {
    if (region.ok !== undefined) {
      // A side may lack the last line end and the other go on behind it.
      for (const text of region.ok) push(out, text)
      line += region.ok.length
    } else if (region.conflict !== undefined) {
      overlaps.push(`both changed line ${line}`)
      line += region.conflict.a.length
    }
  }
  return overlaps.length > 0 ? { overlaps } : { text: out.join('') }
}

const push = (out: string[], text: string): void => {
  const last = out.length - 1
  if (last >= 0 && !(out[last] as string).endsWith('\n')) out[last] += '\n'
  out.push(text)
}

/** All three sides with markers where they overlap, for a person to settle. */
export const markOverlaps = (
  base: string,
  mine: string,
  theirs: string,
): string => {
  const [a, o, b] = [mine, base, theirs].map(splitLines) as [
    string[],
    string[],
    string[],
  ]
  const out: string[] = []
  const block = (lines: readonly string[]) => {
    for (const text of lines) push(out, text)
  }
  for (const region of diff3Merge(a, o, b, { excludeFalseConflicts: true })) {
    if (region.ok !== undefined) block(region.ok)
    else if (region.conflict !== undefined) {
      block([`${MARKERS[0]} mine\n`])
      block(region.conflict.a)
      block([`${MARKERS[1]} old default\n`])
      block(region.conflict.o)
      block([`${MARKERS[2]}\n`])
      block(region.conflict.b)
      block([`${MARKERS[3]} new default\n`])
    }
  }
  return out.join('')
}

const MARKERS = ['<<<<<<<', '|||||||', '=======', '>>>>>>>'] as const

/** Whether a text still has the lines that `markOverlaps` put there. */
export const hasMarkers = (text: string): boolean =>
  splitLines(text).some(
    line =>
      line.startsWith(`${MARKERS[0]} `) || line.startsWith(`${MARKERS[3]} `),
  )
