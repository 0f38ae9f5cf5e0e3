/** Three-way merge of the bytes of one file, by what its path says it is. Pure. */

import { mergeRecords } from './merge-records.ts'
import { isText, mergeText } from './merge-text.ts'
import type { Merged } from './merge-text.ts'
import { formatOf } from './record-formats.ts'

/** More than this is no file that a person edits. */
const MAX_MERGED_BYTES = 4 * 1024 * 1024

/**
 * `path` is raw and relative to /etc; contents are bytes as latin1 text, the
 * base is undefined where there was none.
 */
export const mergeContent = (
  path: string,
  base: string | undefined,
  mine: string,
  theirs: string,
): Merged => {
  const sides = [base ?? '', mine, theirs]
  if (sides.some(text => text.length > MAX_MERGED_BYTES))
    return { overlaps: ['too large to merge'] }
  if (!sides.every(isText)) return { overlaps: ['not text'] }
  const format = formatOf(path)
  if (format !== undefined)
    return mergeRecords(format, base ?? '', mine, theirs)
  if (base === undefined) return { overlaps: ['both added it'] }
  return mergeText(base, mine, theirs)
}
