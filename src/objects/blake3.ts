/**
 * BLAKE3-256, by the fastest implementation that is installed.
 *
 * `@napi-rs/blake-hash` (native, optional) does about 4.5 GB/s, `blake3-wasm`
 * about 0.6 GB/s; both give the same digests (a test compares them).
 * Paper: https://github.com/BLAKE3-team/BLAKE3-specs
 */

import { createRequire } from 'node:module'
import { bytesToLatin1 } from '../bytes/latin1.ts'

interface NativeHasher {
  reset(): void
  update(input: Uint8Array): unknown
  digest(format: 'hex'): string
}

/** The digest as a latin1 string of 32 characters. */
type HashFunction = (bytes: Uint8Array) => string

const DIGEST_BYTES = 32

const require = createRequire(import.meta.url)

const loadNative = (): HashFunction | undefined => {
  try {
    const { Blake3Hasher } = require('@napi-rs/blake-hash') as {
      Blake3Hasher: new () => NativeHasher
    }
    const hasher = new Blake3Hasher()
    const scratch = Buffer.alloc(DIGEST_BYTES)
    return bytes => {
      hasher.reset()
      hasher.update(bytes)
      // A Buffer made over there costs 1.6 us, most of what a small object does.
      scratch.write(hasher.digest('hex'), 'hex')
      return scratch.toString('latin1')
    }
  } catch {
    // An optional dependency: without it the portable one serves.
    return undefined
  }
}

const loadPortable = (): HashFunction => {
  const { hash } = require('blake3-wasm') as {
    hash: (bytes: Uint8Array) => Uint8Array
  }
  return bytes => bytesToLatin1(hash(bytes))
}

export type Blake3Name = 'native' | 'portable'

/** A hash function of the named implementation; undefined when not installed. */
export const loadBlake3 = (name: Blake3Name): HashFunction | undefined =>
  name === 'native' ? loadNative() : loadPortable()

const native = loadNative()

/** Whether hashing is cheap enough to verify every chunk that is read. */
export const isBlake3Fast = native !== undefined

/** The BLAKE3-256 digest of `bytes`. */
export const blake3: HashFunction = native ?? loadPortable()
