/**
 * The identity of everything stored: BLAKE3-256 of its bytes.
 *
 * In memory a digest is a latin1 string of 32 characters (see bytes/latin1.ts);
 * people see 64 hex digits. Only this file makes the brand.
 */

import { latin1ToBytes } from '../bytes/latin1.ts'
import { blake3 } from './blake3.ts'

declare const digestBrand: unique symbol

/** 32 bytes as latin1 text. */
export type Digest = string & { readonly [digestBrand]: true }

export const DIGEST_BYTES = 32

/** The digest of `bytes`. */
export const digestOf = (bytes: Uint8Array): Digest => blake3(bytes) as Digest

/** Latin1 text as a digest, or undefined when it is not 32 bytes long. */
export const toDigest = (latin1: string): Digest | undefined =>
  latin1.length === DIGEST_BYTES ? (latin1 as Digest) : undefined

/** The digest stored at `offsetBytes` of `bytes`; the caller has checked the length. */
export const digestAt = (bytes: Buffer, offsetBytes: number): Digest =>
  bytes.toString('latin1', offsetBytes, offsetBytes + DIGEST_BYTES) as Digest

/** 64 lower-case hex digits. */
export const digestToHex = (digest: Digest): string =>
  latin1ToBytes(digest).toString('hex')

/** The digest written as 64 hex digits, or undefined. */
export const digestFromHex = (hex: string): Digest | undefined =>
  /^[0-9a-f]{64}$/.test(hex)
    ? (Buffer.from(hex, 'hex').toString('latin1') as Digest)
    : undefined
