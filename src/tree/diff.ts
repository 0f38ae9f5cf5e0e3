/**
 * Compares two commits by their trees: equal subtrees are never opened, so the
 * cost grows with the changes and not with the trees.
 */

import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { encodeFsObject } from '../objects/fs-object.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import type { TreeEntry } from '../objects/tree.ts'
import type { Repository } from '../store/repository.ts'
import { joinRaw } from './scan.ts'
import { checkDepth } from './walk.ts'

/** Added, deleted, modified, or another type. */
export type ChangeKind = 'A' | 'D' | 'M' | 'T'

export interface Change {
  readonly kind: ChangeKind
  /** Raw path, relative to the root; `.` for the root itself. */
  readonly path: string
  readonly before: FsObject | undefined
  readonly after: FsObject | undefined
}

type Emit = (change: Change) => void

/** The changes from `before` to `after` in path order. */
export const diffTrees = (
  repository: Repository,
  before: DirectoryObject,
  after: DirectoryObject,
): Change[] => {
  const changes: Change[] = []
  const emit: Emit = change => changes.push(change)
  if (!isSameMetadata(before, after))
    emit({ kind: 'M', path: '.', before, after })
  diffDirectories(repository, before, after, '', 0, emit)
  return changes
}

const diffDirectories = (
  repository: Repository,
  before: DirectoryObject,
  after: DirectoryObject,
  path: string,
  depth: number,
  emit: Emit,
): void => {
  if (before.tree === after.tree) return
  checkDepth(depth)
  const oldTree = repository.loadTree(before.tree)
  const nextTree = repository.loadTree(after.tree)
  const old = oldTree.entries
  const next = nextTree.entries
  let i = 0
  let j = 0
  while (i < old.length || j < next.length) {
    const a = old[i]
    const b = next[j]
    if (b === undefined || (a !== undefined && a.name < b.name)) {
      whole(repository, 'D', a as TreeEntry, path, depth, emit)
      i++
    } else if (a === undefined || b.name < a.name) {
      whole(repository, 'A', b, path, depth, emit)
      j++
    } else {
      if (!oldTree.isSameObject(i, nextTree, j))
        diffEntries(repository, a, b, path, depth, emit)
      i++
      j++
    }
  }
}

/** Of two entries whose encodings differ. */
const diffEntries = (
  repository: Repository,
  { name, object: before }: TreeEntry,
  { object: after }: TreeEntry,
  directory: string,
  depth: number,
  emit: Emit,
): void => {
  const path = joinRaw(directory, name)
  if (before.kind === 'directory' && after.kind === 'directory') {
    if (!isSameMetadata(before, after)) emit({ kind: 'M', path, before, after })
    diffDirectories(repository, before, after, path, depth + 1, emit)
    return
  }
  const kind = before.kind === after.kind ? 'M' : 'T'
  emit({ kind, path, before, after })
  if (before.kind === 'directory')
    below(repository, 'D', before, path, depth + 1, emit)
  if (after.kind === 'directory')
    below(repository, 'A', after, path, depth + 1, emit)
}

const whole = (
  repository: Repository,
  kind: 'A' | 'D',
  { name, object }: TreeEntry,
  directory: string,
  depth: number,
  emit: Emit,
): void => {
  const path = joinRaw(directory, name)
  emit(
    kind === 'A'
      ? { kind, path, before: undefined, after: object }
      : { kind, path, before: object, after: undefined },
  )
  if (object.kind === 'directory')
    below(repository, kind, object, path, depth + 1, emit)
}

const below = (
  repository: Repository,
  kind: 'A' | 'D',
  directory: DirectoryObject,
  path: string,
  depth: number,
  emit: Emit,
): void => {
  checkDepth(depth)
  for (const entry of repository.loadTree(directory.tree).entries)
    whole(repository, kind, entry, path, depth, emit)
}

const writer = new MsgpackWriter()

/** Equal but for the content. */
const isSameMetadata = (a: DirectoryObject, b: DirectoryObject): boolean =>
  encoding(a) === encoding(b)

const encoding = (directory: DirectoryObject): string => {
  writer.reset()
  encodeFsObject(writer, { ...directory, tree: NO_TREE, subdirectories: 0 })
  return writer.view(0).toString('latin1')
}

const NO_TREE = '\0'.repeat(32) as DirectoryObject['tree']
