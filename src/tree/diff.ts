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

/** Yields the changes from `before` to `after` in path order. */
export function* diffTrees(
  repository: Repository,
  before: DirectoryObject,
  after: DirectoryObject,
): Generator<Change, void, undefined> {
  if (!isSameMetadata(before, after))
    yield { kind: 'M', path: '.', before, after }
  yield* diffDirectories(repository, before, after, '')
}

function* diffDirectories(
  repository: Repository,
  before: DirectoryObject,
  after: DirectoryObject,
  path: string,
  depth = 0,
): Generator<Change, void, undefined> {
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
      yield* whole(repository, 'D', a as TreeEntry, path, depth)
      i++
    } else if (a === undefined || b.name < a.name) {
      yield* whole(repository, 'A', b, path, depth)
      j++
    } else {
      if (!oldTree.isSameObject(i, nextTree, j))
        yield* diffEntries(repository, a, b, path, depth)
      i++
      j++
    }
  }
}

function* diffEntries(
  repository: Repository,
  a: TreeEntry,
  b: TreeEntry,
  directory: string,
  depth: number,
): Generator<Change, void, undefined> {
  const path = joinRaw(directory, a.name)
  if (a.object.kind === 'directory' && b.object.kind === 'directory') {
    if (!isSameMetadata(a.object, b.object))
      yield { kind: 'M', path, before: a.object, after: b.object }
    yield* diffDirectories(repository, a.object, b.object, path, depth + 1)
    return
  }
  if (a.object.kind !== b.object.kind) {
    yield { kind: 'T', path, before: a.object, after: b.object }
    if (a.object.kind === 'directory')
      yield* below(repository, 'D', a.object, path, depth + 1)
    if (b.object.kind === 'directory')
      yield* below(repository, 'A', b.object, path, depth + 1)
  } else if (!isSameMetadata(a.object, b.object))
    yield { kind: 'M', path, before: a.object, after: b.object }
}

function* whole(
  repository: Repository,
  kind: 'A' | 'D',
  entry: TreeEntry,
  directory: string,
  depth: number,
): Generator<Change, void, undefined> {
  const path = joinRaw(directory, entry.name)
  const { object } = entry
  yield kind === 'A'
    ? { kind, path, before: undefined, after: object }
    : { kind, path, before: object, after: undefined }
  if (object.kind === 'directory')
    yield* below(repository, kind, object, path, depth + 1)
}

function* below(
  repository: Repository,
  kind: 'A' | 'D',
  directory: DirectoryObject,
  path: string,
  depth: number,
): Generator<Change, void, undefined> {
  checkDepth(depth)
  for (const entry of repository.loadTree(directory.tree).entries)
    yield* whole(repository, kind, entry, path, depth)
}

const writer = new MsgpackWriter()

/** Equal but for the content of directories. */
const isSameMetadata = (a: FsObject, b: FsObject): boolean =>
  encoding(a) === encoding(b)

const encoding = (object: FsObject): string => {
  writer.reset()
  encodeFsObject(
    writer,
    object.kind === 'directory'
      ? { ...object, tree: NO_TREE, subdirectories: 0 }
      : object,
  )
  return writer.view(0).toString('latin1')
}

const NO_TREE = '\0'.repeat(32) as DirectoryObject['tree']
