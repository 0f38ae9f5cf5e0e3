/**
 * A frame: objects stored together, compressed as one, named one by one.
 *
 * Small files compress badly alone, so chunks are grouped in the order of the
 * walk. A frame describes itself: a repository's indexes can be built again
 * from its packs alone. All numbers are little-endian.
 * Format: docs/formats/pack.md
 */

import { crc32 } from '../bytes/crc32.ts'
import { DendroError } from '../errors.ts'
import { digestAt, DIGEST_BYTES } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { MAX_OBJECT_BYTES } from '../objects/limits.ts'
import { KIB, MIB } from '../units.ts'
import { commitLevelOf } from './commit-level.ts'
import { zstd } from './zstd.ts'

/** Plain bytes at which a frame is closed; the curve is in docs/benchmarks.md. */
export const FRAME_TARGET_BYTES = 256 * KIB
export const FRAME_MAGIC = 0x6d617246 // "Fram"
export const FRAME_HEADER_BYTES = 32
const TABLE_ENTRY_BYTES = DIGEST_BYTES + 4
const MAX_FRAME_OBJECTS = 1 * MIB

/** The longest frame there can be: header, table and bytes. */
export const MAX_FRAME_BYTES =
  FRAME_HEADER_BYTES + MAX_FRAME_OBJECTS * TABLE_ENTRY_BYTES + MAX_OBJECT_BYTES

export const CODEC_NONE = 0
export const CODEC_ZSTD = 1

/** CRC-32; see bytes/crc32.ts. */
export const checksum = crc32

export interface FrameObject {
  readonly digest: Digest
  readonly offsetBytes: number
  readonly lengthBytes: number
}

/** Objects waiting to become a frame. */
export interface PlainFrame {
  /** Digest and length of each object, as stored in the frame. */
  readonly table: Buffer
  readonly plain: Uint8Array
}

/** Room that a frame of ordinary size takes, also while it is compressed. */
export const FRAME_BUFFER_BYTES = FRAME_TARGET_BYTES + 32 * KIB

/**
 * The bytes of a frame: header, object table, stored bytes. They stand in
 * `buffer` when that has the room, else in one of their own. `level` is of
 * zstd. Pure.
 */
export const encodeFrame = (
  { table, plain }: PlainFrame,
  buffer?: ArrayBuffer,
  level = commitLevelOf(plain),
): Buffer => {
  const storedAt = FRAME_HEADER_BYTES + table.length
  const room = storedAt + plain.length
  const frame =
    buffer === undefined || buffer.byteLength < room
      ? Buffer.allocUnsafeSlow(room)
      : Buffer.from(buffer)
  const compressed = zstd().compressInto(plain, frame, storedAt, level)
  if (compressed === 0) frame.set(plain, storedAt)
  const storedBytes = compressed === 0 ? plain.length : compressed
  frame.writeUInt32LE(FRAME_MAGIC, 0)
  frame.writeUInt32LE(compressed === 0 ? CODEC_NONE : CODEC_ZSTD, 4)
  frame.writeUInt32LE(table.length / TABLE_ENTRY_BYTES, 8)
  frame.writeUInt32LE(storedBytes, 12)
  frame.writeUInt32LE(plain.length, 16)
  frame.writeUInt32LE(0, 24)
  frame.writeUInt32LE(0, 28)
  table.copy(frame, FRAME_HEADER_BYTES)
  const whole = frame.subarray(0, storedAt + storedBytes)
  frame.writeUInt32LE(checksum(whole.subarray(FRAME_HEADER_BYTES)), 20)
  return whole
}

/** The table entry of one object. */
export const writeTableEntry = (
  table: Buffer,
  index: number,
  digest: Digest,
  lengthBytes: number,
): void => {
  table.write(digest, index * TABLE_ENTRY_BYTES, DIGEST_BYTES, 'latin1')
  table.writeUInt32LE(lengthBytes, index * TABLE_ENTRY_BYTES + DIGEST_BYTES)
}

export const tableBytes = (count: number): number => count * TABLE_ENTRY_BYTES

/** What the header of a frame says, checked against the limits. */
export interface FrameHeader {
  readonly codec: number
  readonly objects: number
  readonly storedBytes: number
  readonly plainBytes: number
  readonly checksum: number
  /** The whole frame: header, table and stored bytes. */
  readonly frameBytes: number
}

/** Reads a header. Errors: `CORRUPT_PACK`, with `where` in the message. */
export const decodeFrameHeader = (
  bytes: Buffer,
  offset: number,
  where: string,
): FrameHeader => {
  const bad = (why: string) =>
    new DendroError('CORRUPT_PACK', `damaged ${where}: ${why}`, {
      hint: 'dendro fsck --repair saves what it can',
    })
  if (bytes.length - offset < FRAME_HEADER_BYTES) throw bad('cut short')
  if (bytes.readUInt32LE(offset) !== FRAME_MAGIC) throw bad('no frame is there')
  const codec = bytes.readUInt32LE(offset + 4)
  if (codec !== CODEC_NONE && codec !== CODEC_ZSTD)
    throw bad(`unknown codec ${codec}`)
  const objects = bytes.readUInt32LE(offset + 8)
  const storedBytes = bytes.readUInt32LE(offset + 12)
  const plainBytes = bytes.readUInt32LE(offset + 16)
  if (objects === 0 || objects > MAX_FRAME_OBJECTS)
    throw bad(`${objects} objects in a frame`)
  if (plainBytes > MAX_OBJECT_BYTES || storedBytes > plainBytes)
    throw bad('impossible lengths')
  return {
    codec,
    objects,
    storedBytes,
    plainBytes,
    checksum: bytes.readUInt32LE(offset + 20),
    frameBytes: FRAME_HEADER_BYTES + tableBytes(objects) + storedBytes,
  }
}

/** The objects of a frame, in order. `table` begins at `offset` of `bytes`. */
export const decodeFrameTable = (
  bytes: Buffer,
  offset: number,
  header: FrameHeader,
  where: string,
): FrameObject[] => {
  const objects: FrameObject[] = []
  let offsetBytes = 0
  for (let i = 0; i < header.objects; i++) {
    const at = offset + i * TABLE_ENTRY_BYTES
    const lengthBytes = bytes.readUInt32LE(at + DIGEST_BYTES)
    objects.push({ digest: digestAt(bytes, at), offsetBytes, lengthBytes })
    offsetBytes += lengthBytes
  }
  if (offsetBytes !== header.plainBytes)
    throw new DendroError(
      'CORRUPT_PACK',
      `damaged ${where}: the object table does not add up`,
      { hint: 'dendro fsck --repair saves what it can' },
    )
  return objects
}

/**
 * The plain bytes of a whole frame. The checksum over table and stored bytes
 * is verified first. With `allocate` they are in a buffer of it, else they may
 * be part of `frame`. Errors: `CORRUPT_PACK`.
 */
export const decodeFramePlain = (
  frame: Buffer,
  where: string,
  allocate?: (length: number) => Buffer,
): Buffer => {
  const header = decodeFrameHeader(frame, 0, where)
  if (
    frame.length === header.frameBytes &&
    checksum(frame.subarray(FRAME_HEADER_BYTES)) !== header.checksum
  )
    throw damaged(where, 'the checksum does not match')
  return decompressFrame(frame, where, allocate)
}

const damaged = (where: string, why: string, cause?: unknown): DendroError =>
  new DendroError('CORRUPT_PACK', `damaged ${where}: ${why}`, {
    cause,
    hint: 'dendro fsck --repair saves what it can',
  })

/**
 * The same without a look at the checksum, for those who verify each object
 * by its digest.
 */
export const decompressFrame = (
  frame: Buffer,
  where: string,
  allocate?: (length: number) => Buffer,
): Buffer => {
  const header = decodeFrameHeader(frame, 0, where)
  if (frame.length !== header.frameBytes)
    throw damaged(where, 'wrong frame length')
  const stored = frame.subarray(FRAME_HEADER_BYTES + tableBytes(header.objects))
  if (header.codec === CODEC_NONE) {
    if (header.storedBytes !== header.plainBytes)
      throw damaged(where, 'wrong length')
    if (allocate === undefined) return stored
    const plain = allocate(header.plainBytes)
    stored.copy(plain)
    return plain
  }
  try {
    return zstd().decompress(stored, header.plainBytes, allocate)
  } catch (error) {
    if (error instanceof DendroError) throw error
    throw damaged(where, 'it does not decompress', error)
  }
}
