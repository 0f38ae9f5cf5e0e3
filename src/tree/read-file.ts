/** Reads the content of a file object. */

import { DendroError } from '../errors.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { Extent } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import { SEQUENTIAL } from '../store/object-reader.ts'
import type {
  ContentReader,
  LocalLease,
  LocalLeases,
  PatientIntent,
  ReadLease,
} from '../store/object-reader.ts'
import { finish, settled } from '../steps.ts'
import type { Steps, WaitingSteps } from '../steps.ts'
import { KIB } from '../units.ts'

/** A run of bytes of a file: `bytes` is undefined for a hole. */
export interface ContentRun {
  readonly offsetBytes: number
  readonly lengthBytes: number
  readonly bytes: Buffer | undefined
}

/**
 * Yields the whole content in order. The bytes of a run are valid until the
 * next one is asked for, and nobody may change them.
 * Errors: as `LocalReader.loadExtents` and `LocalLease.read`.
 */
export function* readContent(
  reader: ContentReader,
  file: FileObject,
): Generator<ContentRun, void, undefined> {
  const lease = reader.lease()
  try {
    let offsetBytes = 0
    for (const { lengthBytes, chunk } of reader.loadExtents(file)) {
      const bytes =
        chunk === undefined ? undefined : lease.read(chunk, SEQUENTIAL)
      if (chunk !== undefined) checkLength(chunk, bytes, lengthBytes)
      yield { offsetBytes, lengthBytes, bytes }
      lease.end()
      offsetBytes += lengthBytes
    }
  } finally {
    lease.end()
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
const PATIENT: PatientIntent = { isSequential: true, maxWaitMs: 0.25 }
const MAX_WAITS = 200

/**
 * Bytes [offset, offset + length) of the content, cut at the end of the file,
 * without a copy: parts of the stored chunks, valid until the lease ends. Never
 * fewer bytes for another reason: a damaged chunk throws.
 *
 * Yields between steps, and what it waits for where the store has to fetch.
 * Errors: as `ObjectReader.loadExtents` and `ReadLease.read`.
 */
export function readParts(
  lease: LocalLease,
  file: FileObject,
  offset: number,
  length: number,
): Steps<ContentPart[]>
export function readParts(
  lease: ReadLease,
  file: FileObject,
  offset: number,
  length: number,
): WaitingSteps<ContentPart[]>
export function* readParts(
  lease: ReadLease,
  file: FileObject,
  offset: number,
  length: number,
): WaitingSteps<ContentPart[]> {
  const end = Math.min(offset + length, file.sizeBytes)
  const parts: ContentPart[] = []
  if (offset >= end) return parts
  const answer = lease.reader.loadExtents(file)
  const extents = answer instanceof Promise ? yield* settled(answer) : answer
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
      // What is here is taken without a generator of its own.
      const read = lease.read(chunk, PATIENT)
      const isHere = read !== undefined && !(read instanceof Promise)
      const bytes = isHere ? read : yield* later(lease, chunk, read)
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

/** A chunk that is fetched, or that another thread decodes just now. */
function* later(
  lease: ReadLease,
  chunk: Digest,
  answer: Promise<Buffer> | undefined,
): WaitingSteps<Buffer> {
  let read: Buffer | Promise<Buffer> | undefined = answer
  for (let waits = 1; read === undefined; waits++) {
    yield
    read =
      waits < MAX_WAITS
        ? lease.read(chunk, PATIENT)
        : lease.read(chunk, SEQUENTIAL)
  }
  return read instanceof Promise ? yield* settled(read) : read
}

const addZeros = (parts: ContentPart[], lengthBytes: number): void => {
  for (let left = lengthBytes; left > 0; left -= ZEROS.length)
    parts.push({
      bytes: ZEROS,
      begin: 0,
      lengthBytes: Math.min(left, ZEROS.length),
    })
}

/**
 * Fills `target` with the content from `offset` on. Returns how many bytes that
 * were: fewer only where the file ends. Errors: as `readParts`.
 */
export const readRange = (
  reader: LocalLeases,
  file: FileObject,
  offset: number,
  target: Buffer,
): number => {
  const lease = reader.lease()
  try {
    let at = 0
    for (const part of finish(readParts(lease, file, offset, target.length)))
      at += part.bytes.copy(
        target,
        at,
        part.begin,
        part.begin + part.lengthBytes,
      )
    return at
  } finally {
    lease.end()
  }
}

const checkLength = (
  chunk: Digest,
  bytes: Buffer | undefined,
  expected: number,
): void => {
  if (bytes?.length !== expected)
    throw new DendroError(
      'CORRUPT_OBJECT',
      `damaged file object: chunk ${digestToHex(chunk)} has ${bytes?.length} bytes, not ${expected}`,
      { hint: 'dendro fsck tells what it touches' },
    )
}
