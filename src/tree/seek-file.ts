/** Where the data and the holes of a file are, as lseek(2) tells. */

import type { FileObject } from '../objects/fs-object.ts'
import type { ExtentLoader } from '../store/object-reader.ts'
import { findExtent } from './read-file.ts'

/**
 * The first offset from `offset` on that is data, or in a hole; the end of the
 * file is a hole. Undefined: `offset` is not before the end, or no data follows.
 * Errors: as `LocalReader.loadExtents`.
 */
export const seekFile = (
  store: ExtentLoader,
  file: FileObject,
  offset: number,
  what: 'data' | 'hole',
): number | undefined => {
  if (offset >= file.sizeBytes) return undefined
  const extents = store.loadExtents(file)
  let { index, at } = findExtent(extents, offset)
  for (; index < extents.length; index++) {
    const extent = extents[index]
    const isHole = extent?.chunk === undefined
    if (isHole === (what === 'hole')) return Math.max(at, offset)
    at += extent?.lengthBytes ?? 0
  }
  return what === 'hole' ? file.sizeBytes : undefined
}
