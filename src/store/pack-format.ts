/**
 * The header and the footer of a pack file. Little-endian.
 * Format: docs/formats/pack.md
 */

import { DendroError } from '../errors.ts'

export type PackKind = 'data' | 'meta'

const HEADER_MAGIC = Buffer.from('DNDRPACK', 'latin1')
const FOOTER_MAGIC = Buffer.from('DNDRPEND', 'latin1')
export const PACK_VERSION = 1
export const PACK_HEADER_BYTES = 32
export const PACK_FOOTER_BYTES = 40

export interface PackFooter {
  readonly kind: PackKind
  readonly frames: number
  readonly objects: number
  /** Offset of the footer: header and frames together. */
  readonly dataEnd: number
  /** CRC-32 of all bytes before the footer. */
  readonly checksum: number
}

const kindNumber = (kind: PackKind): number => (kind === 'data' ? 1 : 2)

export const encodePackHeader = (kind: PackKind): Buffer => {
  const header = Buffer.alloc(PACK_HEADER_BYTES)
  HEADER_MAGIC.copy(header)
  header.writeUInt32LE(PACK_VERSION, 8)
  header.writeUInt32LE(kindNumber(kind), 12)
  return header
}

/** Errors: `CORRUPT_PACK`. */
export const decodePackHeader = (header: Buffer, path: string): PackKind => {
  if (
    header.length < PACK_HEADER_BYTES ||
    !header.subarray(0, 8).equals(HEADER_MAGIC)
  )
    throw new DendroError('CORRUPT_PACK', `damaged pack ${path}: bad header`, {
      hint: 'dendro fsck --repair saves what it can',
    })
  const version = header.readUInt32LE(8)
  if (version !== PACK_VERSION)
    throw new DendroError(
      // A newer format would have a newer version in config.json.
      'CORRUPT_PACK',
      `damaged pack ${path}: its format is version ${version}, this program knows ${PACK_VERSION}`,
      { hint: 'dendro fsck tells what it touches' },
    )
  return header.readUInt32LE(12) === 1 ? 'data' : 'meta'
}

export const encodePackFooter = (footer: PackFooter): Buffer => {
  const bytes = Buffer.alloc(PACK_FOOTER_BYTES)
  FOOTER_MAGIC.copy(bytes)
  bytes.writeUInt32LE(kindNumber(footer.kind), 8)
  bytes.writeUInt32LE(footer.frames, 12)
  bytes.writeUInt32LE(footer.objects, 16)
  bytes.writeUInt32LE(footer.checksum, 20)
  bytes.writeBigUInt64LE(BigInt(footer.dataEnd), 24)
  return bytes
}

/** Errors: `CORRUPT_PACK`. */
export const decodePackFooter = (bytes: Buffer, path: string): PackFooter => {
  if (
    bytes.length < PACK_FOOTER_BYTES ||
    !bytes.subarray(0, 8).equals(FOOTER_MAGIC)
  )
    throw new DendroError(
      'CORRUPT_PACK',
      `damaged pack ${path}: it has no footer, so it is cut short`,
      { hint: 'dendro fsck --repair saves what it can' },
    )
  return {
    kind: bytes.readUInt32LE(8) === 1 ? 'data' : 'meta',
    frames: bytes.readUInt32LE(12),
    objects: bytes.readUInt32LE(16),
    checksum: bytes.readUInt32LE(20),
    dataEnd: Number(bytes.readBigUInt64LE(24)),
  }
}
