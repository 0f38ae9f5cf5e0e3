/**
 * All indexes of a repository as one.
 *
 * Each commit adds an index of its own; when the newest ones together are as
 * large as the next older one they are merged into it, so there are few files
 * and each entry is rewritten a logarithmic number of times. A merge writes
 * the new file before it removes the old ones; between the two an object has
 * two entries for the same place, which harms nobody.
 */

import { randomBytes } from 'node:crypto'
import { DendroError, errnoOf } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import { syncDirectory, unlinkFile } from '../system/disk.ts'
import { writeDurably } from '../system/durable-file.ts'
import { listNames } from '../system/plain-file.ts'
import { encodeIndex, MAX_INDEX_PACKS } from './index-format.ts'
import type { IndexEntry } from './index-format.ts'
import { IndexFile } from './index-file.ts'
import type { RepositoryPaths } from './layout.ts'
import type { Place } from './place.ts'
import type { FinishedPack } from './pack-writer.ts'
import type { ObjectCatalogue } from './upkeep-store.ts'

export class IndexSet implements ObjectCatalogue {
  readonly #paths: RepositoryPaths
  readonly #isTolerant: boolean
  /** Largest first: most objects are found in the first one. */
  #files: IndexFile[] = []
  #scanned: ReadonlyMap<Digest, Place> = new Map()

  /** With `isTolerant` a damaged index is passed over instead of thrown. */
  constructor(paths: RepositoryPaths, isTolerant = false) {
    this.#paths = paths
    this.#isTolerant = isTolerant
    this.reload()
  }

  /** Places that were found by reading the packs, used where no index helps. */
  useScanned(places: ReadonlyMap<Digest, Place>): void {
    this.#scanned = places
  }

  get files(): readonly IndexFile[] {
    return this.#files
  }

  find(digest: Digest): Place | undefined {
    for (const file of this.#files) {
      const place = file.find(digest)
      if (place !== undefined) return place
    }
    return this.#scanned.get(digest)
  }

  /** All places of an object: after a repair or a prune there may be several. */
  findAll(digest: Digest): Place[] {
    return [
      ...this.#files.map(file => file.find(digest)),
      this.#scanned.get(digest),
    ].filter(place => place !== undefined)
  }

  /** Objects that are said to stand in a frame. Reads all indexes. */
  objectsInFrame(pack: string, frameOffset: number): Digest[] {
    return this.#files.flatMap(file =>
      file
        .readAll()
        .filter(
          entry => entry.pack === pack && entry.frameOffset === frameOffset,
        )
        .map(({ digest }) => digest),
    )
  }

  /**
   * Replaces all indexes by one over `entries`, durably. The caller holds the
   * publication lock.
   */
  replaceAll(entries: readonly IndexEntry[]): void {
    const name = `${randomBytes(16).toString('hex')}.idx`
    const old = listNames(this.#paths.index)
    if (entries.length > 0)
      writeDurably(this.#paths.index.child(name), encodeIndex(entries), {
        temporaryDirectory: this.#paths.temporary,
      })
    for (const gone of old) unlinkFile(this.#paths.index.child(gone))
    syncDirectory(this.#paths.index)
    this.reload()
  }

  /** Looks at the directory again; true when it holds other files than before. */
  reload(): boolean {
    const names = listNames(this.#paths.index).filter(name =>
      name.endsWith('.idx'),
    )
    const known = new Map(this.#files.map(file => [`${file.name}.idx`, file]))
    const isSame =
      names.length === known.size && names.every(name => known.has(name))
    if (isSame) return false
    const files: IndexFile[] = []
    let isComplete = true
    for (const name of names) {
      const file = known.get(name) ?? this.#open(name)
      known.delete(name)
      if (file === undefined) isComplete = false
      else files.push(file)
    }
    for (const gone of known.values()) gone.close()
    files.sort((a, b) => b.entries - a.entries)
    this.#files = files
    // What vanished between listing and opening was merged into a new file.
    if (!isComplete && !this.#isTolerant) this.reload()
    return true
  }

  /** Adds finished packs, durably. The caller holds the publication lock. */
  publish(packs: readonly FinishedPack[]): void {
    const added: IndexEntry[] = packs.flatMap(pack =>
      pack.objects.map(object => ({ ...object, pack: pack.name })),
    )
    if (added.length === 0) return
    this.reload()
    let total = added.length
    const merged: IndexFile[] = []
    for (const file of [...this.#files].reverse()) {
      if (file.entries > total * 2) break
      merged.push(file)
      total += file.entries
    }
    const packNames = new Set(merged.flatMap(file => file.packNames))
    if (packNames.size + packs.length > MAX_INDEX_PACKS) merged.length = 0
    const entries = added.concat(...merged.map(file => file.readAll()))
    const name = `${randomBytes(16).toString('hex')}.idx`
    writeDurably(this.#paths.index.child(name), encodeIndex(entries), {
      temporaryDirectory: this.#paths.temporary,
    })
    for (const file of merged) unlinkFile(file.place)
    if (merged.length > 0) syncDirectory(this.#paths.index)
    this.reload()
  }

  close(): void {
    for (const file of this.#files) file.close()
    this.#files = []
  }

  /** Another process may merge a file away between listing and opening it. */
  #open(name: string): IndexFile | undefined {
    try {
      return IndexFile.open(this.#paths.index.child(name))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      if (this.#isTolerant && error instanceof DendroError) return undefined
      throw error
    }
  }
}
