/** What a repository publishes at one moment, read before it is checked. */

import { DendroError, isDamage } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import { toRefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { holdNames, readHold } from '../store/holds.ts'
import type { Grafts } from '../store/grafts.ts'
import { IndexFile } from '../store/index-file.ts'
import { bucketOf } from '../store/index-format.ts'
import type { IndexEntry } from '../store/index-format.ts'
import type { Repository } from '../store/repository.ts'
import type { HeldPath } from '../system/held-path.ts'
import { listEntries, listNames } from '../system/plain-file.ts'

/** What is published at one moment; later publications are not checked. */
export interface Published {
  /** Names of the files in `packs/` and `commits/`. */
  readonly packs: readonly string[]
  readonly commits: readonly string[]
  readonly indexes: readonly {
    readonly file: string
    /** What the index names, or why it cannot be read. */
    readonly content: readonly IndexEntry[] | DendroError
  }[]
  readonly refs: readonly {
    readonly file: string
    readonly commit: Digest | DendroError
  }[]
  readonly grafts: Grafts | DendroError
}

/** Reads it. The caller holds the publication lock, or is alone. */
export const readPublished = (repository: Repository): Published => {
  const { paths } = repository
  repository.indexes.reload()
  return {
    packs: listNames(paths.packs),
    commits: listNames(paths.commits),
    indexes: listNames(paths.index).map(name => ({
      file: `index/${name}`,
      content: orDamage(() => readIndex(paths.index.child(name))),
    })),
    refs: [
      ...(['refs', 'tags'] as const).flatMap(kind => {
        const store = new RefStore(paths, kind)
        return refFiles(paths[kind]).flatMap(name => {
          const commit = orDamage(() => store.get(toRefName(name)))
          return commit === undefined
            ? []
            : [{ file: `${kind}/${name}`, commit }]
        })
      }),
      ...holdNames(paths).map(name => ({
        file: `holds/${name}`,
        commit: orDamage(() => readHold(paths, name)),
      })),
    ],
    grafts: orDamage(() => repository.grafts()),
  }
}

const orDamage = <T>(work: () => T): T | DendroError => {
  try {
    return work()
  } catch (error) {
    if (isDamage(error)) return error
    if (error instanceof DendroError && error.code === 'INVALID_REF_NAME')
      return error
    throw error
  }
}

/** The entries of an index, which must ascend and stand in their buckets. */
const readIndex = (place: HeldPath): IndexEntry[] => {
  const index = IndexFile.open(place)
  try {
    const entries = index.readAll()
    const { fanoutBits } = index.header
    let previous = ''
    for (const { digest } of entries) {
      if (digest <= previous || index.find(digest) === undefined)
        throw new DendroError(
          'CORRUPT_INDEX',
          `damaged index ${String(place)}: its entries do not ascend, or bucket ${bucketOf(digest, fanoutBits)} does not hold its own`,
        )
      previous = digest
    }
    return entries
  } finally {
    index.close()
  }
}

/** Relative paths of the files below a directory. */
export const refFiles = (root: HeldPath): string[] => {
  const found: string[] = []
  const visit = (directory: HeldPath, stem: string): void => {
    for (const entry of listEntries(directory)) {
      const name = `${stem}${entry.name}`
      if (entry.isDirectory()) visit(directory.child(entry.name), `${name}/`)
      else found.push(name)
    }
  }
  visit(root, '')
  return found
}
