/**
 * What commits reach: each distinct tree is read once, however many commits
 * share it, so the cost is that of the distinct metadata and not of the sum.
 */

import { isDamage } from '../errors.ts'
import type { DendroError } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import type { DirectoryObject, FileObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { joinRaw } from '../tree/scan.ts'
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
  readonly #repository: Repository
  readonly #options: MarkOptions

  constructor(repository: Repository, options: MarkOptions = {}) {
    this.#repository = repository
    this.#options = options
  }

  /** Adds everything below a directory. Errors: as Repository.readObject. */
  add(root: DirectoryObject): void {
    const stack: DirectoryObject[] = [root]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (!this.#meet({ digest: next.tree, kind: 'tree' })) continue
      this.#tolerant(next.tree, () => {
        const { entries } = this.#repository.loadTree(next.tree)
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
      for (const { chunk, lengthBytes } of this.#repository.loadExtents(file))
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

/**
 * The paths in a commit that need one of `bad`, at most `limit` for each.
 * Trees that were found clean are remembered in `clean`, for the next commit;
 * what lies below a tree that cannot be read is not known.
 */
export const pathsNeeding = (
  repository: Repository,
  root: DirectoryObject,
  bad: ReadonlySet<Digest>,
  limit: number,
  clean: Set<Digest>,
): PathsNeeding => {
  const found = new Map<Digest, string[]>()
  const note = (digest: Digest, path: string): void => {
    const paths = found.get(digest) ?? []
    found.set(digest, paths)
    if (paths.length < limit) paths.push(path === '' ? '.' : path)
  }
  /** Whether everything below is as it should be. */
  const visit = (
    directory: DirectoryObject,
    path: string,
    depth: number,
  ): boolean => {
    checkDepth(depth)
    if (clean.has(directory.tree)) return true
    if (bad.has(directory.tree)) note(directory.tree, path)
    const entries = readable(() => repository.loadTree(directory.tree).entries)
    if (entries === undefined) return false
    let isClean = !bad.has(directory.tree)
    for (const { name, object } of entries) {
      const childPath = joinRaw(path, name)
      if (object.kind === 'directory')
        isClean = visit(object, childPath, depth + 1) && isClean
      else if (object.kind === 'file')
        for (const digest of needsOf(repository, object))
          if (bad.has(digest)) {
            isClean = false
            note(digest, childPath)
          }
    }
    if (isClean) clean.add(directory.tree)
    return isClean
  }
  visit(root, '', 0)
  return found
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
const needsOf = (repository: Repository, file: FileObject): Digest[] => {
  const list = typeof file.content === 'string' ? [file.content] : []
  const extents = readable(() => repository.loadExtents(file)) ?? []
  const chunks = extents.map(({ chunk }) => chunk)
  return [...list, ...chunks].filter(digest => digest !== undefined)
}
