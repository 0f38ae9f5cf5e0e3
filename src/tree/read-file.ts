/** Reads the content of a file object. */

import { DendroError } from '../errors.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { finish } from '../steps.ts'
import type { Steps } from '../steps.ts'
import { KIB } from '../units.ts'

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

/** Part of a buffer. */
export interface ContentPart {
  readonly bytes: Buffer
  readonly begin: number
  readonly lengthBytes: number
}

const ZEROS = Buffer.alloc(64 * KIB)

/** Where each extent of a list begins; lists are kept by the repository. */
const startsOf = new WeakMap<readonly Extent[], Float64Array>()

/** The extent that `offset` lies in, and where it begins. */
export const findExtent = (extents: readonly Extent[], offset: number) => {
  let starts = startsOf.get(extents)
  if (starts === undefined) {
    starts = new Float64Array(extents.length)
    let at = 0
    extents.forEach(({ lengthBytes }, index) => {
      ;(starts as Float64Array)[index] = at
      at += lengthBytes
    })
    startsOf.set(extents, starts)
  }
  let low = 0
  let high = extents.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((starts[middle] as number) <= offset) low = middle
    else high = middle - 1
  }
  return { index: low, at: starts[low] ?? 0 }
}

/** About a frame: what a step decodes. */
const STEP_BYTES = 256 * KIB
/** How long a step waits for what another thread decodes, and all of them. */
const WAIT_MS = 0.25
const MAX_WAITS = 200

/**
 * Bytes [offset, offset + length) of the content, cut at the end of the file,
 * without a copy: parts of the stored chunks, valid as long as the repository
 * says (`Repository.readChunk`). Never fewer bytes for another reason: a
 * damaged chunk throws.
 */
export function* readParts(
  repository: Repository,
  file: FileObject,
  offset: number,
  length: number,
): Steps<ContentPart[]> {
  const end = Math.min(offset + length, file.sizeBytes)
  const parts: ContentPart[] = []
  if (offset >= end) return parts
  const extents = repository.loadExtents(file)
  let { index, at } = findExtent(extents, offset)
  let stepAt = offset
  for (; index < extents.length; index++) {
    const { lengthBytes, chunk } = extents[index] as Extent
    const from = Math.max(offset, at)
    const to = Math.min(end, at + lengthBytes)
    if (chunk === undefined) addZeros(parts, to - from)
    else {
      if (from - stepAt >= STEP_BYTES) {
        stepAt = from
        yield
      }
      let bytes = repository.readChunkWithin(chunk, WAIT_MS)
      for (let waits = 1; bytes === undefined; waits++) {
        yield
        bytes =
          waits < MAX_WAITS
            ? repository.readChunkWithin(chunk, WAIT_MS)
            : repository.readChunk(chunk)
      }
      checkLength(chunk, bytes, lengthBytes)
      parts.push({ bytes, begin: from - at, lengthBytes: to - from })
    }
    at += lengthBytes
    if (to === end) return parts
  }
  throw new DendroError(
    'CORRUPT_OBJECT',
    `damaged file object: its extents end at ${at}, its size is ${file.sizeBytes}`,
    { hint: 'dendro fsck tells what it touches' },
  )
}

const addZeros = (parts: ContentPart[], lengthBytes: number): void => {
  for (let left = lengthBytes; left > 0; left -= ZEROS.length)
    parts.push({
      bytes: ZEROS,
      begin: 0,
      lengthBytes: Math.min(left, ZEROS.length),
    })
}

/** Copies what `readParts` gives to `target`, from `begin` on. Returns how much. */
export const readRange = (
  repository: Repository,
  file: FileObject,
  offset: number,
  length: number,
  target: Buffer,
  begin = 0,
): number => {
  let at = begin
  for (const part of finish(readParts(repository, file, offset, length)))
    at += part.bytes.copy(target, at, part.begin, part.begin + part.lengthBytes)
  return at - begin
}

/** A chunk, checked to be as long as the extent says. */
const readChunk = (
  repository: Repository,
  chunk: NonNullable<Extent['chunk']>,
  lengthBytes: number,
): Buffer => {
  const bytes = repository.readChunk(chunk)
  checkLength(chunk, bytes, lengthBytes)
  return bytes
}

const checkLength = (chunk: Digest, bytes: Buffer, expected: number): void => {
  if (bytes.length !== expected)
    throw new DendroError(
      'CORRUPT_OBJECT',
      `damaged file object: chunk ${digestToHex(chunk)} has ${bytes.length} bytes, not ${expected}`,
      { hint: 'dendro fsck tells what it touches' },
    )
}
