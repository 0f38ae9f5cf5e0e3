/**
 * zstd, by whichever implementation loads: `zstd-napi`, or `node:zlib` where
 * Node has it (22.15 and later).
 *
 * Buffers are bounded by the caller: `decompress` writes exactly
 * `plainLength` bytes or fails, so a bomb cannot grow.
 * Format: RFC 8878.
 */

import { createRequire } from 'node:module'
import zlib from 'node:zlib'
import { DendroError } from '../errors.ts'

/** What a commit can afford; `prune --repack` takes its time. */
export const COMMIT_LEVEL = 3
/** The same for text, which gains more by it. */
export const TEXT_LEVEL = 6
export const REPACK_LEVEL = 9
export const MAX_LEVEL = 19

interface ZstdBinding {
  CCtx: new () => {
    setParameter(parameter: number, value: number): void
    compress2(output: Uint8Array, input: Uint8Array): number
  }
  DCtx: new () => { decompress(output: Uint8Array, input: Uint8Array): number }
  CParameter: { compressionLevel: number }
  compressBound(length: number): number
}

interface ZlibZstd {
  constants: Record<string, number>
  zstdCompressSync?: (input: Uint8Array, options: unknown) => Buffer
  zstdDecompressSync?: (input: Uint8Array, options: unknown) => Buffer
}

export interface Zstd {
  /**
   * Into `target` from `at` on; returns how many bytes, or 0 when they are not
   * fewer than those of `plain`. `target` has room for all of `plain`; `level`
   * is from 1 to `MAX_LEVEL`.
   */
  compressInto(
    plain: Uint8Array,
    target: Buffer,
    at: number,
    level: number,
  ): number
  /**
   * Into a buffer of `allocate`, where the implementation can. Throws an Error
   * when `stored` does not hold exactly `plainLength` bytes.
   */
  decompress(
    stored: Uint8Array,
    plainLength: number,
    allocate?: (length: number) => Buffer,
  ): Buffer
}

const require = createRequire(import.meta.url)

const loadAddon = (): Zstd | undefined => {
  let binding: ZstdBinding
  try {
    binding = require('zstd-napi/binding') as ZstdBinding
  } catch {
    // Not compiled here; node:zlib is the other way.
    return undefined
  }
  const compressor = new binding.CCtx()
  let currentLevel = 0
  const decompressor = new binding.DCtx()
  let scratch = Buffer.allocUnsafeSlow(0)
  return {
    compressInto: (plain, target, at, level) => {
      if (level !== currentLevel)
        compressor.setParameter(binding.CParameter.compressionLevel, level)
      currentLevel = level
      const bound = binding.compressBound(plain.length)
      const hasRoom = target.length - at >= bound
      if (!hasRoom && scratch.length < bound)
        scratch = Buffer.allocUnsafeSlow(bound)
      const out = hasRoom ? target.subarray(at) : scratch
      const length = compressor.compress2(out, plain)
      if (length >= plain.length) return 0
      if (!hasRoom) scratch.copy(target, at, 0, length)
      return length
    },
    decompress: (
      stored,
      plainLength,
      allocate = length => Buffer.allocUnsafeSlow(length),
    ) => {
      const plain = allocate(plainLength)
      const length = decompressor.decompress(plain, stored)
      if (length !== plainLength) throw new Error('wrong plain length')
      return plain
    },
  }
}

const loadZlib = (): Zstd | undefined => {
  const { constants, zstdCompressSync, zstdDecompressSync } =
    zlib as unknown as ZlibZstd
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined)
    return undefined
  const parameter = constants['ZSTD_c_compressionLevel'] as number
  return {
    compressInto: (plain, target, at, level) => {
      const stored = zstdCompressSync(plain, {
        params: { [parameter]: level },
      })
      return stored.length < plain.length ? stored.copy(target, at) : 0
    },
    decompress: (stored, plainLength) => {
      const plain = zstdDecompressSync(stored, {
        maxOutputLength: Math.max(1, plainLength),
      })
      if (plain.length !== plainLength) throw new Error('wrong plain length')
      return plain
    },
  }
}

export type ZstdName = 'addon' | 'zlib'

/** The named implementation, or undefined where it is not available. */
export const loadZstd = (name: ZstdName): Zstd | undefined =>
  name === 'addon' ? loadAddon() : loadZlib()

// Looked for once a process: loading a module that is not there takes long.
let chosen: Zstd | undefined

/** The implementation in use. Errors: `NATIVE_UNAVAILABLE`. */
export const zstd = (): Zstd => {
  chosen ??= loadAddon() ?? loadZlib()
  if (chosen !== undefined) return chosen
  throw new DendroError(
    'NATIVE_UNAVAILABLE',
    'cannot compress: neither zstd-napi nor a Node.js with zstd is installed',
    {
      hint: 'run npm install with a C++ compiler at hand, or use Node.js 22.15',
    },
  )
}
