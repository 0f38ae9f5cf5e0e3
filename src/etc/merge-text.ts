/** Three-way merge of text, line by line. Pure. */

import { diff3 } from './diff3.ts'

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
  const overlaps: string[] = []
  const out: string[] = []
  let line = 1
  for (const region of regionsOf(base, mine, theirs)) {
    if ('agreed' in region) {
      // A side may lack the last line end and the other go on behind it.
      for (const text of region.agreed) push(out, text)
      line += region.agreed.length
    } else {
      overlaps.push(`both changed line ${line}`)
      line += region.mine.length
    }
  }
  return overlaps.length > 0 ? { overlaps } : { text: out.join('') }
}

const regionsOf = (base: string, mine: string, theirs: string) =>
  diff3(splitLines(base), splitLines(mine), splitLines(theirs))

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
  const out: string[] = []
  const block = (lines: readonly string[]) => {
    for (const text of lines) push(out, text)
  }
  for (const region of regionsOf(base, mine, theirs)) {
    if ('agreed' in region) block(region.agreed)
    else {
      block([`${MARKERS[0]} mine\n`])
      block(region.mine)
      block([`${MARKERS[1]} old default\n`])
      block(region.base)
      block([`${MARKERS[2]}\n`])
      block(region.theirs)
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
