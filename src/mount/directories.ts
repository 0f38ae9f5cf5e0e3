/** The directories that the server keeps decoded. */

import type { Digest } from '../objects/digest.ts'
import { ByteCache } from '../store/byte-cache.ts'
import type { Repository } from '../store/repository.ts'
import { MIB } from '../units.ts'
import { Directory } from './directory.ts'
import type { NodeKey } from './node-table.ts'

const CACHE_BYTES = 4 * MIB

export class Directories {
  readonly #repository: Repository
  readonly #cache = new ByteCache<Directory>(
    CACHE_BYTES,
    directory => directory.sizeBytes,
  )

  constructor(repository: Repository) {
    this.#repository = repository
  }

  /**
   * A directory of a commit; with `path` it is about to be listed.
   * Errors: as Repository.readTree, and `CORRUPT_OBJECT`.
   */
  load(tree: Digest, path?: NodeKey): Directory {
    const known = this.#cache.get(tree)
    if (known !== undefined) return known
    const bytes = this.#repository.readTree(tree)
    const directory = Directory.decode(tree, bytes, path)
    this.#cache.set(tree, directory)
    return directory
  }
}
