/** What the cases of conformance.ts are made of. */

import type { Digest } from '../objects/digest.ts'
import type { Answer } from './object-reader.ts'
import type { ObjectStore } from './object-store.ts'

/** Bytes that do not compress well, of a length, and different for each seed. */
export const sample = (seed: number, lengthBytes: number): Buffer => {
  const bytes = Buffer.alloc(lengthBytes)
  for (let at = 0; at < lengthBytes; at++)
    bytes[at] = (Math.imul(at + 1 + seed * 7919, 2654435761) >>> 13) & 255
  return bytes
}

/** Stores objects and publishes them; their digests, in order. */
export const storeObjects = async (
  store: ObjectStore,
  objects: readonly Buffer[],
): Promise<Digest[]> => {
  const writer = await store.beginWrite()
  try {
    const ids = objects.map(bytes => writer.add('data', bytes))
    await store.publish(await writer.finish(), () => undefined)
    return ids
  } finally {
    await writer.close()
  }
}

/** An answer, or what it throws, as a promise. */
export const asked = async <T>(answer: () => Answer<T>): Promise<T> => answer()
