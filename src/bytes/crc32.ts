/** CRC-32 (IEEE 802.3), as zlib computes it. */

import zlib from 'node:zlib'

const native = (
  zlib as unknown as {
    crc32: (data: Uint8Array, value?: number) => number
  }
).crc32

/** The checksum of `bytes`, going on from that of what stands before them. */
export const crc32 = (bytes: Uint8Array, previous = 0): number =>
  native(bytes, previous)
