/** Copies what is needed out of sparse packs into new ones. */

import { closeSync } from '../system/files.ts'
import { DendroError } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import { CompressPool } from '../store/compress-pool.ts'
import { decodeFramePlain } from '../store/frame.ts'
import type { IndexEntry } from '../store/index-format.ts'
import type { RepositoryPaths } from '../store/layout.ts'
import { decodePackHeader, PACK_HEADER_BYTES } from '../store/pack-format.ts'
import type { PackKind } from '../store/pack-format.ts'
import { readAt } from '../store/pack-reader.ts'
import { openPlain } from '../system/plain-file.ts'
import { PackWriter } from '../store/pack-writer.ts'
import type { FinishedPack } from '../store/pack-writer.ts'

export interface SparsePack {
  readonly name: string
  /** All objects in it. */
  readonly entries: readonly IndexEntry[]
  readonly needed: ReadonlySet<Digest>
}

export interface RepackOptions {
  readonly isDry: boolean
  readonly level: number | undefined
}

/**
 * Writes at most one new pack of each kind, durably, and returns them; the old
 * ones are left alone. A frame of which everything is needed is copied as it
 * is, unless `level` says how to compress all of them anew. With `isDry` nothing is written, but the lengths are right.
 * Errors: `CORRUPT_PACK`: damage is not copied.
 */
export const repack = async (
  paths: RepositoryPaths,
  sparse: readonly SparsePack[],
  { isDry, level }: RepackOptions,
): Promise<FinishedPack[]> => {
  const pool = new CompressPool(level)
  const writers = new Map<PackKind, PackWriter>()
  const writerOf = (kind: PackKind): PackWriter => {
    const known = writers.get(kind)
    if (known !== undefined) return known
    const writer = new PackWriter(paths, kind, pool, isDry)
    writers.set(kind, writer)
    return writer
  }
  const copying: Copying = {
    writerOf,
    keepsFrames: level === undefined,
    drained: () => pool.drained(),
  }
  try {
    for (const pack of sparse) await copyPack(paths, pack, copying)
    const finished: FinishedPack[] = []
    for (const writer of writers.values()) {
      const done = await writer.finish()
      if (done !== undefined) finished.push(done)
    }
    return finished
  } finally {
    for (const writer of writers.values()) writer.abandon()
    await pool.close()
  }
}

interface Copying {
  readonly writerOf: (kind: PackKind) => PackWriter
  /** Whether a frame that is needed as a whole is copied as it is. */
  readonly keepsFrames: boolean
  readonly drained: () => Promise<void>
}

const copyPack = async (
  paths: RepositoryPaths,
  pack: SparsePack,
  { writerOf, keepsFrames, drained }: Copying,
): Promise<void> => {
  const { name, entries, needed } = pack
  const place = paths.packs.child(`${name}.pack`)
  const { fd } = openPlain(place)
  try {
    const kind = decodePackHeader(readAt(fd, 0, PACK_HEADER_BYTES), place.path)
    const writer = writerOf(kind)
    for (const objects of framesOf(entries)) {
      if (!objects.some(({ digest }) => needed.has(digest))) continue
      copyFrame(fd, pack, objects, { writer, keepsFrames })
      await drained()
    }
  } finally {
    closeSync(fd)
  }
}

/** Entries grouped by frame, in the order of the pack. */
const framesOf = (entries: readonly IndexEntry[]): IndexEntry[][] => {
  const frames = new Map<number, IndexEntry[]>()
  const sorted = [...entries].sort(
    (a, b) => a.frameOffset - b.frameOffset || a.offsetBytes - b.offsetBytes,
  )
  for (const entry of sorted) {
    const frame = frames.get(entry.frameOffset)
    if (frame === undefined) frames.set(entry.frameOffset, [entry])
    else frame.push(entry)
  }
  return [...frames.values()]
}

const copyFrame = (
  fd: number,
  { name, needed }: SparsePack,
  objects: readonly IndexEntry[],
  to: { readonly writer: PackWriter; readonly keepsFrames: boolean },
): void => {
  const { writer, keepsFrames } = to
  const { frameOffset, frameBytes } = objects[0] as IndexEntry
  const where = `pack ${name} at byte ${frameOffset}`
  const frame = readAt(fd, frameOffset, frameBytes)
  const plain = decodeFramePlain(frame, where)
  const inFrame = objects.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
  const isWhole = keepsFrames && inFrame === plain.length
  if (isWhole && objects.every(({ digest }) => needed.has(digest))) {
    writer.addFrame(frame, objects)
    return
  }
  for (const { digest, offsetBytes, lengthBytes } of objects) {
    if (!needed.has(digest)) continue
    const end = offsetBytes + lengthBytes
    if (end > plain.length)
      throw new DendroError(
        'CORRUPT_INDEX',
        `damaged index: it names bytes behind the end of the frame in ${where}`,
      )
    writer.add(digest, plain.subarray(offsetBytes, end))
  }
}
