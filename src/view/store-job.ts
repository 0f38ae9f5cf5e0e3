/**
 * A job of the thread that works ahead: files to be put into the page cache.
 *
 * It crosses from one thread to the other as a few arrays: thousands of small
 * objects would be copied one by one.
 */

import { DIGEST_BYTES } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { Place } from '../store/place.ts'

/** A part of a file: a whole chunk. */
export interface StorePart {
  readonly digest: Digest
  readonly place: Place
}

/** A file to be stored: its parts, from its first byte to its last. */
export interface StoreItem {
  /** Its place in the directory. */
  readonly index: number
  readonly nodeId: number
  readonly parts: readonly StorePart[]
}

/** Numbers of an item and of a part in a job. */
export const ITEM_NUMBERS = 3
export const PART_NUMBERS = 4

export interface StoreJob {
  readonly id: number
  /** Names of the packs that parts count. */
  readonly packs: readonly string[]
  /** Per item index, node id, parts; per part pack, frame, offset, length. */
  readonly numbers: Float64Array
  /** 32 characters a part. */
  readonly digests: string
}

export const encodeJob = (
  id: number,
  items: readonly StoreItem[],
): StoreJob => {
  const packs: string[] = []
  let parts = 0
  for (const item of items) parts += item.parts.length
  const numbers = new Float64Array(
    items.length * ITEM_NUMBERS + parts * PART_NUMBERS,
  )
  let digests = ''
  let at = 0
  for (const { index, nodeId, parts } of items) {
    numbers[at++] = index
    numbers[at++] = nodeId
    numbers[at++] = parts.length
    for (const { digest, place } of parts) {
      let pack = packs.indexOf(place.pack)
      if (pack < 0) pack = packs.push(place.pack) - 1
      numbers[at++] = pack
      numbers[at++] = place.frameOffset
      numbers[at++] = place.offsetBytes
      numbers[at++] = place.lengthBytes
      digests += digest
    }
  }
  return { id, packs, numbers, digests }
}

/** The digest of the part that is number `part` of the whole job. */
export const digestOfPart = ({ digests }: StoreJob, part: number): Digest =>
  digests.slice(part * DIGEST_BYTES, (part + 1) * DIGEST_BYTES) as Digest

/** The frame of a job's last part, where reading is likely to go on. */
export const lastFrameOf = ({
  packs,
  numbers,
}: StoreJob): { readonly pack: string; readonly frameOffset: number } => {
  const at = numbers.length - PART_NUMBERS
  return {
    pack: packs[numbers[at] as number] as string,
    frameOffset: numbers[at + 1] as number,
  }
}
