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

/** The first words of a digest, little-endian, into `out` from `at` on. */
type HashWordsFunction = (
  bytes: Uint8Array,
  out: Uint32Array,
  at: number,
  count: number,
) => void

const DIGEST_BYTES = 32

const require = createRequire(import.meta.url)

interface NativePackage {
  readonly Blake3Hasher: new () => NativeHasher
}

/**
 * The binding for the usual case by its own name: the package that chooses one
 * makes a report of the process where it finds no ldd(1), as in an initramfs.
 */
const requireNative = (): NativePackage => {
  try {
    return require(
      `@napi-rs/blake-hash-linux-${process.arch}-gnu`,
    ) as NativePackage
  } catch {
    return require('@napi-rs/blake-hash') as NativePackage
  }
}

const loadNative = (): HashFunction | undefined => {
  try {
    const { Blake3Hasher } = requireNative()
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

const loadNativeWords = (): HashWordsFunction | undefined => {
  if (native === undefined) return undefined
  const { Blake3Hasher } = requireNative()
  const hasher = new Blake3Hasher()
  return (bytes, out, at, count) => {
    hasher.reset()
    hasher.update(bytes)
    const hex = hasher.digest('hex')
    for (let word = 0; word < count; word++) {
      let value = 0
      // Bytes from the last to the first: the word is little-endian.
      for (let i = word * 8 + 6; i >= word * 8; i -= 2)
        value =
          (value << 8) |
          (hexDigit(hex.charCodeAt(i)) << 4) |
          hexDigit(hex.charCodeAt(i + 1))
      out[at + word] = value
    }
  }
}

/** The value of a hex digit, lower case. */
const hexDigit = (code: number): number =>
  code < 0x3a ? code - 0x30 : code - 0x57

/** `blake3Words` by way of `blake3`. */
export const portableWords: HashWordsFunction = (bytes, out, at, count) => {
  const hash = blake3(bytes)
  for (let word = 0; word < count; word++)
    out[at + word] =
      hash.charCodeAt(word * 4) |
      (hash.charCodeAt(word * 4 + 1) << 8) |
      (hash.charCodeAt(word * 4 + 2) << 16) |
      (hash.charCodeAt(word * 4 + 3) << 24)
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

/**
 * The first `count` words of the digest, for those who need no more of it:
 * makes no string and no Buffer.
 */
export const blake3Words: HashWordsFunction = loadNativeWords() ?? portableWords
