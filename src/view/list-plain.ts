/** A listing for a reader that wants no attributes: names, kinds and numbers. */

import type { DirectorySink } from '../fuse/handler.ts'
import { attributesOf, FIRST_COOKIE } from './attributes.ts'
import type { Presentation } from './attributes.ts'
import type { Directory } from './directory.ts'
import type { NodeKey } from './node-table.ts'

/** Adds the entries of `directory`, whose path has the key `path`, from `first` on. */
export const listPlain = (
  directory: Directory,
  path: NodeKey,
  first: number,
  sink: DirectorySink,
  presentation: Presentation,
): void => {
  for (let i = first; i < directory.count; i++) {
    const object = directory.object(i)
    const { inode } = directory.identity(i, object, path)
    const shown = attributesOf(object, inode, presentation)
    const added = sink.add(
      directory.name(i),
      i + FIRST_COOKIE + 1,
      shown.mode >>> 12,
      shown.inoHigh,
      shown.inoLow,
    )
    if (!added) return
  }
}
