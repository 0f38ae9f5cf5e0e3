/** The directories that the server keeps decoded. */

import type { Digest } from '../objects/digest.ts'
import { ByteCache } from '../store/byte-cache.ts'
import type { LocalReader } from '../store/object-reader.ts'
import { MIB } from '../units.ts'
import { EXACT } from './attributes.ts'
import type { Presentation } from './attributes.ts'
import { Directory } from './directory.ts'
import type { NodeKey } from './node-kind.ts'

const CACHE_BYTES = 4 * MIB

export class Directories {
  readonly #store: Pick<LocalReader, 'readTree'>
  readonly #presentation: Presentation
  readonly #cache = new ByteCache<Directory>(
    CACHE_BYTES,
    directory => directory.sizeBytes,
  )

  constructor(
    store: Pick<LocalReader, 'readTree'>,
    presentation: Presentation = EXACT,
  ) {
    this.#store = store
    this.#presentation = presentation
  }

  /** The directory, if it is decoded. */
  get(tree: Digest): Directory | undefined {
    return this.#cache.get(tree)
  }

  /**
   * A directory of a commit; with `path` it is about to be listed.
   * Errors: as `LocalReader.readTree`, and `CORRUPT_OBJECT`.
   */
  load(tree: Digest, path?: NodeKey): Directory {
    const known = this.get(tree)
    if (known !== undefined) return known
    return this.decode(tree, this.#store.readTree(tree), path)
  }

  /** The same of what `LocalReader.readTree` gave, which is kept. */
  decode(tree: Digest, bytes: Buffer, path?: NodeKey): Directory {
    const directory = Directory.decode(tree, bytes, path, this.#presentation)
    this.#cache.set(tree, directory)
    return directory
  }
}
