/** Reads the content of a file object. */

import { DendroError } from '../errors.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'

/** A run of bytes of a file: `bytes` is undefined for a hole. */
export interface ContentRun {
  readonly offsetBytes: number
  readonly lengthBytes: number
  readonly bytes: Buffer | undefined
}

/** Yields the whole content in order. Errors: as Repository.readObject. */
export function* readContent(
  repository: Repository,
  file: FileObject,
): Generator<ContentRun, void, undefined> {
  let offsetBytes = 0
  for (const { lengthBytes, chunk } of repository.loadExtents(file)) {
    const bytes =
      chunk === undefined
        ? undefined
        : readChunk(repository, chunk, lengthBytes)
    yield { offsetBytes, lengthBytes, bytes }
    offsetBytes += lengthBytes
  }
}

/**
 * Fills `target` from `begin` with bytes [offset, offset + length) of the
 * content, cut at the end of the file. Returns how many. Never returns fewer
 * for another reason: a damaged chunk throws.
 */
export const readRange = (
  repository: Repository,
  file: FileObject,
  offset: number,
  length: number,
  target: Buffer,
  begin = 0,
): number => {
  const end = Math.min(offset + length, file.sizeBytes)
  if (offset >= end) return 0
  const extents = repository.loadExtents(file)
  let at = 0
  for (const { lengthBytes, chunk } of extents) {
    const next = at + lengthBytes
    if (next > offset) {
      const from = Math.max(offset, at)
      const to = Math.min(end, next)
      const place = begin + from - offset
      if (chunk === undefined) target.fill(0, place, place + to - from)
      else
        readChunk(repository, chunk, lengthBytes).copy(
          target,
          place,
          from - at,
          to - at,
        )
      if (to === end) return end - offset
    }
    at = next
  }
  throw new DendroError(
    'CORRUPT_OBJECT',
    `damaged file object: its extents end at ${at}, its size is ${file.sizeBytes}`,
    { hint: 'dendro fsck tells what it touches' },
  )
}

/** A chunk, checked to be as long as the extent says. */
const readChunk = (
  repository: Repository,
  chunk: NonNullable<Extent['chunk']>,
  lengthBytes: number,
): Buffer => {
  const bytes = repository.readObject(chunk)
  if (bytes.length !== lengthBytes) throw wrongLength(chunk, bytes, lengthBytes)
  return bytes
}

const wrongLength = (chunk: Digest, bytes: Buffer, expected: number) =>
  new DendroError(
    'CORRUPT_OBJECT',
    `damaged file object: chunk ${digestToHex(chunk)} has ${bytes.length} bytes, not ${expected}`,
    { hint: 'dendro fsck tells what it touches' },
  )

/**
 * The only chunk of a file when it has just one, else undefined: lets a reader
 * hand on the stored bytes without a copy.
 */
export const singleChunk = (
  repository: Repository,
  file: FileObject,
): Buffer | undefined => {
  const { content } = file
  if (typeof content === 'string' || content.length !== 1) return undefined
  const { chunk, lengthBytes } = content[0] as Extent
  return chunk === undefined
    ? undefined
    : readChunk(repository, chunk, lengthBytes)
}
