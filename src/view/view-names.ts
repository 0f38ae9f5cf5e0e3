/**
 * The names that the view adds around the commits:
 *
 *     commits/<id>/  refs/<...>  tags/<...>  by-version/<ref>/<version>
 *
 * They are a plain value, made from the repository and compared with the
 * one before to find out what the kernel must be told.
 */

import { DendroError } from '../errors.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import type { Commit } from '../objects/commit.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { RefStore } from '../refs/ref-store.ts'
import type { Ref } from '../refs/ref-store.ts'
import { firstParents } from '../refs/revision.ts'
import type { Repository } from '../store/repository.ts'
import { writeNote } from '../system/standard-streams.ts'

/** A directory of the view; the root is the empty path. */
export interface ViewDirectory {
  readonly kind: 'directory'
  /** Raw names to what they are, sorted. */
  readonly children: Map<string, ViewNode>
}

export interface ViewLink {
  readonly kind: 'link'
  readonly target: string
  /** Time of the commit it leads to. */
  readonly timeSec: number
}

export type ViewNode = ViewDirectory | ViewLink

export const COMMITS = 'commits'

const directory = (): ViewDirectory => ({
  kind: 'directory',
  children: new Map(),
})

/** The view's names as the repository is. `commits` is there, and empty. */
export const readViewNames = (repository: Repository): ViewDirectory => {
  const root = directory()
  const byVersion = directory()
  root.children.set('by-version', byVersion)
  root.children.set(COMMITS, directory())
  for (const kind of ['refs', 'tags'] as const) {
    const base = directory()
    root.children.set(kind, base)
    for (const ref of readRefs(repository, kind)) {
      putLink(repository, base, {
        path: `${kind}/${ref.name}`,
        parts: ref.name.split('/'),
        commit: ref.commit,
      })
      if (kind === 'refs') addVersions(repository, byVersion, ref)
    }
  }
  return root
}

/** A damaged ref hides itself, not the whole view. */
const readRefs = (repository: Repository, kind: 'refs' | 'tags'): Ref[] => {
  try {
    return new RefStore(repository.paths, kind).list('', error =>
      writeNote(`dendro: ${kind}: ${error.message}\n`),
    )
  } catch (error) {
    // That the directory cannot be read is no news of what is in it.
    if (!(error instanceof DendroError)) throw error
    writeNote(`dendro: ${kind}: ${String(error)}\n`)
    return []
  }
}

const addVersions = (
  repository: Repository,
  byVersion: ViewDirectory,
  ref: Ref,
): void => {
  const parts = ref.name.split('/')
  const seen = new Set<string>()
  try {
    for (const { id, commit } of firstParents(repository, ref.commit)) {
      const version = commit.metadata.get('version')
      if (version === undefined || seen.has(version)) continue
      if (version === '' || version === '.' || version === '..') continue
      if (version.includes('/') || version.includes('\0')) continue
      seen.add(version)
      const path = `by-version/${ref.name}/${version}`
      putLink(repository, byVersion, {
        path,
        parts: [...parts, version],
        commit: id,
      })
    }
  } catch (error) {
    writeNote(`dendro: by-version/${ref.name}: ${String(error)}\n`)
  }
}

interface PlacedLink {
  /** From the view's root. */
  readonly path: string
  /** From the directory that it is put into. */
  readonly parts: readonly string[]
  readonly commit: Digest
}

const putLink = (
  repository: Repository,
  base: ViewDirectory,
  { path, parts, commit }: PlacedLink,
): void => {
  let at = base
  for (const part of parts.slice(0, -1)) {
    const name = textToLatin1(part)
    const next = at.children.get(name) ?? directory()
    if (next.kind !== 'directory') return
    at.children.set(name, next)
    at = next
  }
  const up = '../'.repeat(path.split('/').length - 1)
  const found = readCommit(repository, path, commit)
  if (found === undefined) return
  at.children.set(textToLatin1(parts.at(-1) as string), {
    kind: 'link',
    target: `${up}${COMMITS}/${digestToHex(commit)}`,
    timeSec: found.timeSec,
  })
}

/** A damaged commit hides the names that lead to it, not the whole view. */
const readCommit = (
  repository: Repository,
  path: string,
  commit: Digest,
): Commit | undefined => {
  try {
    return repository.commits.get(commit)
  } catch (error) {
    if (!(error instanceof DendroError)) throw error
    writeNote(`dendro: ${path}: ${String(error)}\n`)
    return undefined
  }
}

/** The node at `path`, or undefined. */
export const findViewNode = (
  root: ViewDirectory,
  path: string,
): ViewNode | undefined => {
  let node: ViewNode | undefined = root
  for (const part of path === '' ? [] : path.split('/')) {
    if (node?.kind !== 'directory') return undefined
    node = node.children.get(part)
  }
  return node
}

export interface ViewChange {
  /** Path of the directory. */
  readonly directory: string
  /** Names in it that came, went or mean something else. */
  readonly names: readonly string[]
}

/** What differs between the names then and now, directory by directory. */
export const compareViewNames = (
  before: ViewDirectory,
  after: ViewDirectory,
  path = '',
): ViewChange[] => {
  const changes: ViewChange[] = []
  const names: string[] = []
  for (const name of new Set([
    ...before.children.keys(),
    ...after.children.keys(),
  ])) {
    const a = before.children.get(name)
    const b = after.children.get(name)
    const childPath = path === '' ? name : `${path}/${name}`
    if (a?.kind === 'directory' && b?.kind === 'directory')
      changes.push(...compareViewNames(a, b, childPath))
    else if (a?.kind !== b?.kind) names.push(name)
    else if (a?.kind === 'link' && b?.kind === 'link') {
      if (a.target !== b.target || a.timeSec !== b.timeSec) names.push(name)
    }
  }
  if (names.length > 0) changes.push({ directory: path, names })
  return changes
}
