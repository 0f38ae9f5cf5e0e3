/**
 * An index file: sorted digests with the places of their objects.
 *
 * A fan-out table over the first bits of the digest leads to buckets of about
 * 64 entries, so a lookup reads two small pieces and opening reads the header
 * alone, whatever the size. Little-endian.
 * Format: docs/formats/index.md
 */

import { DendroError } from '../errors.ts'
import { DIGEST_BYTES } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { checksum } from './frame.ts'
import type { Place } from './place.ts'

const MAGIC = Buffer.from('DNDRINDX', 'latin1')
export const INDEX_VERSION = 1
export const INDEX_HEADER_BYTES = 64
export const INDEX_ENTRY_BYTES = DIGEST_BYTES + 24
const PACK_NAME_BYTES = 16
const BUCKET_TARGET = 64
const MIN_FANOUT_BITS = 4
const MAX_FANOUT_BITS = 22
export const MAX_INDEX_PACKS = 65536
/** More do not fit into the memory of who merges them: 3.5 GiB of file. */
const MAX_INDEX_ENTRIES = 2 ** 26
/** Digests spread evenly: a bucket of so many is no accident. */
export const MAX_BUCKET_ENTRIES = 4096

export interface IndexEntry extends Place {
  readonly digest: Digest
}

export interface IndexHeader {
  readonly entries: number
  readonly packs: number
  readonly fanoutBits: number
  readonly packsOffset: number
  readonly fanoutOffset: number
  readonly entriesOffset: number
  readonly fileBytes: number
  /** CRC-32 of everything behind the header; checked when a file is merged. */
  readonly bodyChecksum: number
}

const fanoutBitsFor = (entries: number): number => {
  const bits = Math.ceil(Math.log2(Math.max(1, entries / BUCKET_TARGET)))
  return Math.min(MAX_FANOUT_BITS, Math.max(MIN_FANOUT_BITS, bits))
}

const layoutOf = (entries: number, packs: number, fanoutBits: number) => {
  const packsOffset = INDEX_HEADER_BYTES
  const fanoutOffset = packsOffset + packs * PACK_NAME_BYTES
  const entriesOffset = fanoutOffset + (2 ** fanoutBits + 1) * 4
  const fileBytes = entriesOffset + entries * INDEX_ENTRY_BYTES
  return { packsOffset, fanoutOffset, entriesOffset, fileBytes }
}

/** The bucket of a digest: its first bits. */
export const bucketOf = (digest: Digest, fanoutBits: number): number => {
  const word =
    ((digest.charCodeAt(0) << 24) |
      (digest.charCodeAt(1) << 16) |
      (digest.charCodeAt(2) << 8) |
      digest.charCodeAt(3)) >>>
    0
  return word >>> (32 - fanoutBits)
}

/** The bytes of an index over `entries`, in any order; of equals one is kept. */
export const encodeIndex = (unsorted: readonly IndexEntry[]): Buffer => {
  const sorted = [...unsorted].sort((a, b) =>
    a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0,
  )
  const entries = sorted.filter(
    (entry, i) => i === 0 || sorted[i - 1]?.digest !== entry.digest,
  )
  const names = [...new Set(entries.map(entry => entry.pack))].sort()
  const numbers = new Map(names.map((name, number) => [name, number]))
  if (names.length > MAX_INDEX_PACKS)
    throw new DendroError('LIMIT_EXCEEDED', `too many packs: ${names.length}`)
  if (entries.length > MAX_INDEX_ENTRIES)
    throw new DendroError(
      'LIMIT_EXCEEDED',
      `too many objects for one index: ${entries.length}`,
    )
  const bits = fanoutBitsFor(entries.length)
  const layout = layoutOf(entries.length, names.length, bits)
  const bytes = Buffer.alloc(layout.fileBytes)
  names.forEach((name, i) =>
    bytes.write(name, layout.packsOffset + i * PACK_NAME_BYTES, 'hex'),
  )
  writeFanout(bytes, layout.fanoutOffset, entries, bits)
  entries.forEach((entry, i) => {
    const at = layout.entriesOffset + i * INDEX_ENTRY_BYTES
    bytes.write(entry.digest, at, DIGEST_BYTES, 'latin1')
    bytes.writeUIntLE(entry.frameOffset, at + 32, 6)
    bytes.writeUInt16LE(numbers.get(entry.pack) as number, at + 38)
    bytes.writeUInt32LE(entry.frameBytes, at + 40)
    bytes.writeUInt32LE(entry.offsetBytes, at + 44)
    bytes.writeUInt32LE(entry.lengthBytes, at + 48)
  })
  MAGIC.copy(bytes)
  bytes.writeUInt32LE(INDEX_VERSION, 8)
  bytes.writeUInt32LE(entries.length, 12)
  bytes.writeUInt32LE(names.length, 16)
  bytes.writeUInt32LE(bits, 20)
  bytes.writeUInt32LE(checksum(bytes.subarray(INDEX_HEADER_BYTES)), 24)
  bytes.writeUInt32LE(checksum(bytes.subarray(0, 28)), 28)
  return bytes
}

const writeFanout = (
  bytes: Buffer,
  offset: number,
  entries: readonly IndexEntry[],
  bits: number,
): void => {
  let next = 0
  for (let bucket = 0; bucket < 2 ** bits; bucket++) {
    bytes.writeUInt32LE(next, offset + bucket * 4)
    while (
      next < entries.length &&
      bucketOf((entries[next] as IndexEntry).digest, bits) === bucket
    )
      next++
  }
  bytes.writeUInt32LE(next, offset + 2 ** bits * 4)
}

const corrupt = (path: string, why: string): DendroError =>
  new DendroError('CORRUPT_INDEX', `damaged index ${path}: ${why}`, {
    hint: 'dendro fsck --repair saves what it can',
  })

/** Errors: `CORRUPT_INDEX`. `fileBytes` is the file's size. */
export const decodeIndexHeader = (
  bytes: Buffer,
  fileBytes: number,
  path: string,
): IndexHeader => {
  if (bytes.length < INDEX_HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC))
    throw corrupt(path, 'bad header')
  const version = bytes.readUInt32LE(8)
  if (version !== INDEX_VERSION)
    throw new DendroError(
      // A newer format would have a newer version in config.json.
      'CORRUPT_INDEX',
      `damaged index ${path}: its format is version ${version}, this program knows ${INDEX_VERSION}`,
      { hint: 'dendro fsck tells what it touches' },
    )
  if (checksum(bytes.subarray(0, 28)) !== bytes.readUInt32LE(28))
    throw corrupt(path, 'the checksum of the header does not match')
  if (bytes.subarray(32, INDEX_HEADER_BYTES).some(byte => byte !== 0))
    throw corrupt(path, 'the rest of the header is not zero')
  const entries = bytes.readUInt32LE(12)
  const packs = bytes.readUInt32LE(16)
  const fanoutBits = bytes.readUInt32LE(20)
  if (
    entries > MAX_INDEX_ENTRIES ||
    packs > MAX_INDEX_PACKS ||
    fanoutBits < MIN_FANOUT_BITS ||
    fanoutBits > MAX_FANOUT_BITS
  )
    throw corrupt(path, 'impossible counts')
  const layout = layoutOf(entries, packs, fanoutBits)
  if (layout.fileBytes !== fileBytes) throw corrupt(path, 'wrong length')
  const bodyChecksum = bytes.readUInt32LE(24)
  return { entries, packs, fanoutBits, ...layout, bodyChecksum }
}

/** The names of the packs, decoded from their part of the file. */
export const decodePackNames = (bytes: Buffer, packs: number): string[] =>
  Array.from({ length: packs }, (_, i) =>
    bytes.toString('hex', i * PACK_NAME_BYTES, (i + 1) * PACK_NAME_BYTES),
  )

/** The entry at `offset`; undefined when its pack number is out of range. */
export const decodeIndexPlace = (
  bytes: Buffer,
  offset: number,
  packNames: readonly string[],
): Place | undefined => {
  const pack = packNames[bytes.readUInt16LE(offset + 38)]
  if (pack === undefined) return undefined
  return {
    pack,
    frameOffset: bytes.readUIntLE(offset + 32, 6),
    frameBytes: bytes.readUInt32LE(offset + 40),
    offsetBytes: bytes.readUInt32LE(offset + 44),
    lengthBytes: bytes.readUInt32LE(offset + 48),
  }
}
