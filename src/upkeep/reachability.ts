/**
 * What commits reach: each distinct tree is read once, however many commits
 * share it, so the cost is that of the distinct metadata and not of the sum.
 */

import { isDamage } from '../errors.ts'
import type { DendroError } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import type {
  DirectoryObject,
  FileObject,
  FsObject,
} from '../objects/fs-object.ts'
import type { TreeEntry } from '../objects/tree.ts'
import type { MetadataReader } from '../store/object-reader.ts'
import { joinRaw } from '../tree/raw-path.ts'
import { checkDepth } from '../tree/walk.ts'

export interface ReachedObject {
  readonly digest: Digest
  readonly kind: 'tree' | 'extents' | 'chunk'
  /** Bytes of a chunk, as its file says. */
  readonly lengthBytes?: number
}

export interface MarkOptions {
  /** Called for each object the first time it is met. */
  readonly onObject?: (object: ReachedObject) => void
  /** Called for what cannot be read instead of throwing. */
  readonly onDamage?: (digest: Digest, error: DendroError) => void
}

/** The objects that a set of commits needs; grows by `add`. */
export class Reachability {
  readonly objects = new Set<Digest>()
  readonly #store: MetadataReader
  readonly #options: MarkOptions

  constructor(store: MetadataReader, options: MarkOptions = {}) {
    this.#store = store
    this.#options = options
  }

  /** Adds everything below a directory. Errors: as `LocalReader.loadTree` and `loadExtents`. */
  add(root: DirectoryObject): void {
    const stack: DirectoryObject[] = [root]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (!this.#meet({ digest: next.tree, kind: 'tree' })) continue
      this.#tolerant(next.tree, () => {
        const { entries } = this.#store.loadTree(next.tree)
        for (const { object } of entries)
          if (object.kind === 'directory') stack.push(object)
          else if (object.kind === 'file') this.#file(object)
      })
    }
  }

  #file(file: FileObject): void {
    const { content } = file
    const isList = typeof content === 'string'
    if (isList && !this.#meet({ digest: content, kind: 'extents' })) return
    this.#tolerant(isList ? content : undefined, () => {
      for (const { chunk, lengthBytes } of this.#store.loadExtents(file))
        if (chunk !== undefined)
          this.#meet({ digest: chunk, kind: 'chunk', lengthBytes })
    })
  }

  #meet(object: ReachedObject): boolean {
    if (this.objects.has(object.digest)) return false
    this.objects.add(object.digest)
    this.#options.onObject?.(object)
    return true
  }

  #tolerant(digest: Digest | undefined, work: () => void): void {
    try {
      work()
    } catch (error) {
      const { onDamage } = this.#options
      if (!isDamage(error) || onDamage === undefined || digest === undefined)
        throw error
      onDamage(digest, error)
    }
  }
}

/** Which paths (raw) of a commit need an object, by object. */
export type PathsNeeding = ReadonlyMap<Digest, readonly string[]>

export interface WhatIsLookedFor {
  readonly bad: ReadonlySet<Digest>
  /** How many paths are told of each, at most. */
  readonly limit: number
  /** Trees that need none of it: remembered here for the next commit. */
  readonly clean: Set<Digest>
}

/**
 * The paths in a commit that need one of `bad`; what lies below a tree that
 * cannot be read is not known.
 * Errors: `LIMIT_EXCEEDED` for directories that are nested too deep.
 */
export const pathsNeeding = (
  store: MetadataReader,
  root: DirectoryObject,
  wanted: WhatIsLookedFor,
): PathsNeeding => new Search(store, wanted).below(root)

/** A directory that is looked into. */
interface Level {
  readonly tree: Digest
  readonly path: string
  readonly entries: readonly TreeEntry[]
  next: number
  /** Nothing here or below needs what is bad, as far as was looked. */
  isClean: boolean
}

class Search {
  readonly #store: MetadataReader
  readonly #bad: ReadonlySet<Digest>
  readonly #limit: number
  readonly #clean: Set<Digest>
  readonly #found = new Map<Digest, string[]>()
  readonly #levels: Level[] = []

  constructor(store: MetadataReader, { bad, limit, clean }: WhatIsLookedFor) {
    this.#store = store
    this.#bad = bad
    this.#limit = limit
    this.#clean = clean
  }

  below(root: DirectoryObject): PathsNeeding {
    const levels = this.#levels
    this.#enter(root, '')
    for (let top = levels.at(-1); top !== undefined; top = levels.at(-1)) {
      const entry = top.entries[top.next++]
      if (entry === undefined) this.#leave(top)
      else this.#entry(top, joinRaw(top.path, entry.name), entry.object)
    }
    return this.#found
  }

  #entry(level: Level, path: string, object: FsObject): void {
    if (object.kind === 'directory') this.#enter(object, path)
    if (object.kind !== 'file') return
    for (const digest of needsOf(this.#store, object))
      if (this.#bad.has(digest)) {
        level.isClean = false
        this.#note(digest, path)
      }
  }

  #enter({ tree }: DirectoryObject, path: string): void {
    checkDepth(this.#levels.length)
    if (this.#clean.has(tree)) return
    const isBad = this.#bad.has(tree)
    if (isBad) this.#note(tree, path)
    const known = readable(() => this.#store.loadTree(tree).entries)
    const isClean = !isBad && known !== undefined
    const entries = known ?? []
    this.#levels.push({ tree, path, entries, next: 0, isClean })
  }

  #leave({ tree, isClean }: Level): void {
    this.#levels.pop()
    if (isClean) this.#clean.add(tree)
    const above = this.#levels.at(-1)
    if (above !== undefined && !isClean) above.isClean = false
  }

  #note(digest: Digest, path: string): void {
    const paths = this.#found.get(digest) ?? []
    this.#found.set(digest, paths)
    if (paths.length < this.#limit) paths.push(path === '' ? '.' : path)
  }
}

const readable = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    if (isDamage(error)) return undefined
    throw error
  }
}

/** The objects that a file's content needs, as far as they can be known. */
const needsOf = (store: MetadataReader, file: FileObject): Digest[] => {
  const list = typeof file.content === 'string' ? [file.content] : []
  const extents = readable(() => store.loadExtents(file)) ?? []
  const chunks = extents.map(({ chunk }) => chunk)
  return [...list, ...chunks].filter(digest => digest !== undefined)
}
