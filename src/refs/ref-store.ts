/**
 * Refs and tags: files that hold a commit id, moved by one rename.
 *
 * Writers hold the repository's publication lock (Repository.publish).
 */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DendroError, errnoOf, wrapSystemError } from '../errors.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { RepositoryPaths } from '../store/layout.ts'
import {
  makeDirectoryDurably,
  removeDurably,
  writeDurably,
} from '../system/durable-file.ts'
import { toRefName } from './ref-name.ts'
import type { RefName } from './ref-name.ts'

export type RefKind = 'refs' | 'tags'

export interface Ref {
  readonly name: RefName
  readonly commit: Digest
}

export class RefStore {
  readonly #paths: RepositoryPaths
  readonly #kind: RefKind

  constructor(paths: RepositoryPaths, kind: RefKind) {
    this.#paths = paths
    this.#kind = kind
  }

  /** The commit that `name` names, or undefined. Errors: `CORRUPT_REPOSITORY`. */
  get(name: RefName): Digest | undefined {
    const path = this.#path(name)
    let text: string
    try {
      text = readFileSync(path, 'utf8')
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EISDIR')
        return undefined
      throw wrapSystemError(`cannot read ref ${name}`, error)
    }
    const digest = digestFromHex(text.replace(/\n$/, ''))
    if (digest === undefined)
      throw new DendroError(
        'CORRUPT_REPOSITORY',
        `damaged ref ${name}: ${path} does not hold a commit id`,
        {
          hint: 'find the id with dendro log or in commits/ and write it there',
        },
      )
    return digest
  }

  /** Moves or makes `name`. Errors: `REF_CONFLICT`, system errors. */
  set(name: RefName, commit: Digest): void {
    this.#refuseConflict(name)
    const path = this.#path(name)
    try {
      makeDirectoryDurably(dirname(path))
      writeDurably(path, Buffer.from(`${digestToHex(commit)}\n`), {
        temporaryDirectory: this.#paths.temporary,
      })
    } catch (error) {
      throw wrapSystemError(`cannot write ref ${name}`, error)
    }
  }

  /** Removes `name`; false when there is none. */
  remove(name: RefName): boolean {
    if (this.get(name) === undefined) return false
    removeDurably(this.#path(name))
    return true
  }

  /** All refs at or below `prefix`, sorted by name. Bad file names are left out. */
  list(prefix = ''): Ref[] {
    const found: Ref[] = []
    const root = this.#paths[this.#kind]
    const visit = (directory: string, stem: string): void => {
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        const name = stem === '' ? entry.name : `${stem}/${entry.name}`
        if (entry.isDirectory()) visit(join(directory, entry.name), name)
        else if (isRefName(name)) {
          const commit = this.get(name)
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
    const status = statSync(this.#path(name), { throwIfNoEntry: false })
    if (status?.isDirectory() !== true) return
    const below = this.list(name)[0]
    if (below !== undefined) throw this.#conflict(name, below.name)
    throw new DendroError(
      'REF_CONFLICT',
      `cannot make ref ${name}: an empty directory stands in its place`,
      { hint: `remove ${this.#path(name)}` },
    )
  }

  #conflict(name: RefName, other: RefName): DendroError {
    return new DendroError(
      'REF_CONFLICT',
      `cannot make ref ${name}: there is a ref ${other}, and a name cannot be both a ref and a directory of refs`,
      { hint: 'choose another name' },
    )
  }

  #path(name: RefName): string {
    return join(this.#paths[this.#kind], name)
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
