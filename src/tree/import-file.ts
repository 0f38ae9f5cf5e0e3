/** Reads the content of one file into chunks. */

import { closeSync, constants, openSync, readSync } from '../system/files.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { makeSplitBuffer, splitContent } from '../chunking/split.ts'
import type { ContentSource } from '../chunking/split.ts'
import { encodeExtentList } from '../objects/extents.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import { MAX_EXTENTS, MAX_INLINE_EXTENTS } from '../objects/limits.ts'
import { DendroError } from '../errors.ts'
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
 * Stores the content of the file at `path` (raw) and returns what its object
 * says of it. Reads up to the size in `status`, no further: the caller checks
 * afterwards whether the file was changed meanwhile.
 */
export const importFileContent = async (
  path: string,
  status: FileStatus,
  writer: ObjectSink,
  onBytes: (count: number) => void,
): Promise<FileContent> => {
  if (status.sizeBytes === 0) return { sizeBytes: 0, dataBytes: 0, content: [] }
  const fd = openSync(
    latin1ToBytes(path),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  )
  const extents: Extent[] = []
  let sizeBytes = 0
  let dataBytes = 0
  try {
    for (const piece of splitContent(sourceOf(fd, status), buffer)) {
      const { lengthBytes, bytes } = piece
      const chunk = bytes === undefined ? undefined : writer.add('data', bytes)
      extents.push({ lengthBytes, chunk })
      sizeBytes += lengthBytes
      if (bytes !== undefined) dataBytes += lengthBytes
      onBytes(lengthBytes)
      if (writer.isBehind()) await writer.drained()
    }
  } finally {
    closeSync(fd)
  }
  if (extents.length > MAX_EXTENTS)
    throw new DendroError('LIMIT_EXCEEDED', `file ${path} has too many chunks`)
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
