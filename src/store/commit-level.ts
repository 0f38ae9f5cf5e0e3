/**
 * How hard a commit tries to compress a frame.
 *
 * Text gains five times as much from a slow search as machine code does, for
 * the same time; so the time goes to text. Measured in
 * docs/decisions/frame-size.md.
 */

import { TEXT_LEVEL, COMMIT_LEVEL } from './zstd.ts'

const LOOKS = 1024
/** A frame of text may hold a few files that are not. */
const TEXT_SHARE = 0.7

const isText = (byte: number): boolean =>
  (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x09

/** The level of zstd for these plain bytes, from a sample of them. Pure. */
export const commitLevelOf = (plain: Uint8Array): number => {
  const step = Math.max(1, Math.floor(plain.length / LOOKS))
  let looks = 0
  let text = 0
  for (let at = 0; at < plain.length; at += step) {
    looks++
    if (isText(plain[at] as number)) text++
  }
  return text >= looks * TEXT_SHARE ? TEXT_LEVEL : COMMIT_LEVEL
}
