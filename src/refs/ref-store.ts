/**
 * Refs and tags: files that hold a commit id, moved by one rename.
 *
 * Writers hold the repository's publication lock (Repository.publish).
 */

import { DendroError, errnoOf, isDamage, wrapSystemError } from '../errors.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { RepositoryPaths } from '../store/layout.ts'
import { OperationLog } from '../store/operation-log.ts'
import {
  makeDirectoryDurably,
  removeDurably,
  writeDurably,
} from '../system/durable-file.ts'
import type { HeldPath } from '../system/held-path.ts'
import {
  isDirectoryFound,
  listEntries,
  readPlain,
  statPlace,
} from '../system/plain-file.ts'
import { toRefName } from './ref-name.ts'
import type { RefName } from './ref-name.ts'

/** An id in hex and a newline. */
const MAX_REF_BYTES = 256

export type RefKind = 'refs' | 'tags'

/** Where refs and tags stand, and what is written when they move. */
export type RefPaths = Pick<
  RepositoryPaths,
  'refs' | 'tags' | 'operations' | 'temporary'
>

/** A store whose commits have names. */
export interface NamedStore {
  readonly paths: RefPaths
}

export interface Ref {
  readonly name: RefName
  readonly commit: Digest
}

/** What the operation log says besides. */
export interface MoveDetails {
  /** The operation that this move takes back. */
  readonly undoes?: string
}

export class RefStore {
  readonly #paths: RefPaths
  readonly #kind: RefKind

  constructor(paths: RefPaths, kind: RefKind) {
    this.#paths = paths
    this.#kind = kind
  }

  /** The commit that `name` names, or undefined. Errors: `CORRUPT_REPOSITORY`. */
  get(name: RefName): Digest | undefined {
    const path = this.#path(name)
    let text: string
    try {
      text = readPlain(path, MAX_REF_BYTES).toString('latin1')
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || isDirectoryFound(error))
        return undefined
      throw wrapSystemError(`cannot read ref ${name}`, error)
    }
    const digest = digestFromHex(text.replace(/\n$/, ''))
    if (digest === undefined)
      throw new DendroError(
        'CORRUPT_REPOSITORY',
        `damaged ref ${name}: ${String(path)} does not hold a commit id`,
        {
          hint: 'find the id with dendro log or in commits/ and write it there',
        },
      )
    return digest
  }

  /** Moves or makes `name`. Errors: `REF_CONFLICT`, system errors. */
  set(name: RefName, commit: Digest, details: MoveDetails = {}): void {
    this.#refuseConflict(name)
    const path = this.#path(name)
    try {
      this.#log(name, this.#readable(name), commit, details)
      makeDirectoryDurably(path.parent())
      writeDurably(path, Buffer.from(`${digestToHex(commit)}\n`), {
        temporaryDirectory: this.#paths.temporary,
      })
    } catch (error) {
      throw wrapSystemError(`cannot write ref ${name}`, error)
    }
  }

  /** Removes `name`; false when there is none. */
  remove(name: RefName, details: MoveDetails = {}): boolean {
    const before = this.get(name)
    if (before === undefined) return false
    this.#log(name, before, undefined, details)
    removeDurably(this.#path(name))
    return true
  }

  /** A damaged ref is about to be mended: it was nothing. */
  #readable(name: RefName): Digest | undefined {
    try {
      return this.get(name)
    } catch {
      return undefined
    }
  }

  #log(
    name: RefName,
    before: Digest | undefined,
    after: Digest | undefined,
    details: MoveDetails,
  ): void {
    if (before === after) return
    const hex = (digest: Digest | undefined) =>
      digest === undefined ? null : digestToHex(digest)
    const what = this.#kind === 'refs' ? 'ref' : 'tag'
    const short = (digest: Digest | undefined) =>
      hex(digest)?.slice(0, 12) ?? 'nothing'
    new OperationLog(this.#paths.operations).append(
      what,
      `${what} ${name}: ${short(before)} -> ${short(after)}`,
      { name, before: hex(before), after: hex(after), ...details },
    )
  }

  /**
   * All refs at or below `prefix`, sorted by name. Bad file names are left out,
   * and with `onDamage` those that are damaged. Errors: `CORRUPT_REPOSITORY`.
   */
  list(prefix = '', onDamage?: (error: DendroError) => void): Ref[] {
    const found: Ref[] = []
    const read = (name: RefName): Digest | undefined => {
      try {
        return this.get(name)
      } catch (error) {
        if (onDamage === undefined || !isDamage(error)) throw error
        onDamage(error)
        return undefined
      }
    }
    const root = this.#paths[this.#kind]
    const visit = (directory: HeldPath, stem: string): void => {
      for (const entry of listEntries(directory)) {
        const name = stem === '' ? entry.name : `${stem}/${entry.name}`
        if (entry.isDirectory()) visit(directory.child(entry.name), name)
        else if (isRefName(name)) {
          const commit = read(name)
          if (commit !== undefined) found.push({ name, commit })
        }
      }
    }
    visit(root, '')
    return found
      .filter(
        ({ name }) =>
          prefix === '' || name === prefix || name.startsWith(`${prefix}/`),
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** `a/b` cannot stand beside a ref `a`, nor `a` beside `a/b`. */
  #refuseConflict(name: RefName): void {
    const parts = name.split('/')
    for (let i = 1; i < parts.length; i++) {
      const above = parts.slice(0, i).join('/') as RefName
      if (this.get(above) !== undefined) throw this.#conflict(name, above)
    }
    if (statPlace(this.#path(name))?.isDirectory() !== true) return
    const below = this.list(name)[0]
    if (below !== undefined) throw this.#conflict(name, below.name)
    throw new DendroError(
      'REF_CONFLICT',
      `cannot make ref ${name}: an empty directory stands in its place`,
      { hint: `remove ${String(this.#path(name))}` },
    )
  }

  #conflict(name: RefName, other: RefName): DendroError {
    return new DendroError(
      'REF_CONFLICT',
      `cannot make ref ${name}: there is a ref ${other}, and a name cannot be both a ref and a directory of refs`,
      { hint: 'choose another name' },
    )
  }

  #path(name: RefName): HeldPath {
    return this.#paths[this.#kind].child(name)
  }
}

const isRefName = (text: string): text is RefName => {
  try {
    toRefName(text)
    return true
  } catch {
    // A file that is no ref, left by somebody else.
    return false
  }
}

/** The ref that a revision is the plain name of, if it is one. */
export const existingRef = (
  repository: NamedStore,
  revision: string,
): RefName | undefined => {
  try {
    const name = toRefName(revision)
    const store = new RefStore(repository.paths, 'refs')
    return store.get(name) === undefined ? undefined : name
  } catch {
    // It is no name: a commit id, or a step of history.
    return undefined
  }
}
