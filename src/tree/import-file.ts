/** Reads the content of one file into chunks. */

import { readSync } from '../system/files.ts'
import { makeSplitBuffer, splitContent } from '../chunking/split.ts'
import type { ContentSource } from '../chunking/split.ts'
import { encodeExtentList } from '../objects/extents.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import {
  beyondLimit,
  MAX_EXTENTS,
  MAX_INLINE_EXTENTS,
} from '../objects/limits.ts'
import type { ObjectSink } from '../store/object-writer.ts'
import type { FileStatus } from '../system/file-status.ts'
import { tryShim } from '../system/native.ts'

const SEEK_DATA = 3
const BLOCK_BYTES = 512

const buffer = makeSplitBuffer()

export type FileContent = Pick<
  FileObject,
  'sizeBytes' | 'dataBytes' | 'content'
>

/**
 * Stores the content of the open file `fd` and returns what its object says of
 * it. Reads up to the size in `status`, no further: the caller checks
 * afterwards whether the file was changed meanwhile. Errors: `LIMIT_EXCEEDED`.
 */
export const importFileContent = async (
  fd: number,
  status: FileStatus,
  writer: ObjectSink,
  onBytes: (count: number) => void,
): Promise<FileContent> => {
  if (status.sizeBytes === 0) return { sizeBytes: 0, dataBytes: 0, content: [] }
  const extents: Extent[] = []
  let sizeBytes = 0
  let dataBytes = 0
  for (const piece of splitContent(sourceOf(fd, status), buffer)) {
    const { lengthBytes, bytes } = piece
    const chunk = bytes === undefined ? undefined : writer.add('data', bytes)
    extents.push({ lengthBytes, chunk })
    if (extents.length > MAX_EXTENTS)
      throw beyondLimit(`it is cut into ${extents.length} pieces`, MAX_EXTENTS)
    sizeBytes += lengthBytes
    if (bytes !== undefined) dataBytes += lengthBytes
    onBytes(lengthBytes)
    if (writer.isBehind()) await writer.drained()
  }
  const content =
    extents.length <= MAX_INLINE_EXTENTS
      ? extents
      : writer.add('meta', encodeExtentList(extents))
  return { sizeBytes, dataBytes, content }
}

const sourceOf = (fd: number, status: FileStatus): ContentSource => {
  const { sizeBytes } = status
  const source: ContentSource = {
    read: (into, begin, position) => {
      const wanted = Math.min(into.length - begin, sizeBytes - position)
      return wanted <= 0 ? 0 : readSync(fd, into, begin, wanted, position)
    },
  }
  const native = tryShim()
  if (native === undefined || status.blocks * BLOCK_BYTES >= sizeBytes)
    return source
  return {
    ...source,
    nextData: position => {
      const found = native.lseek(fd, position, SEEK_DATA)
      return found < 0 ? sizeBytes : found
    },
  }
}
