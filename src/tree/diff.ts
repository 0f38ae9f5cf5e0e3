/**
 * Compares two commits by their trees: equal subtrees are never opened, so the
 * cost grows with the changes and not with the trees.
 */

import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { encodeFsObject } from '../objects/fs-object.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import { Tree, visitTree } from '../objects/tree.ts'
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

type Visit = (change: Change) => void

/**
 * Tells `visit` the changes from `before` to `after`, in path order. None is
 * kept: what a whole directory holds may be all of a tree.
 * Errors: as `readObject`; what came before the damage was visited.
 */
export const diffTrees = (
  repository: Repository,
  before: DirectoryObject,
  after: DirectoryObject,
  visit: Visit,
): void => {
  if (!isSameMetadata(before, after))
    visit({ kind: 'M', path: '.', before, after })
  diffDirectories(repository, before, after, '', 0, visit)
}

const diffDirectories = (
  repository: Repository,
  before: DirectoryObject,
  after: DirectoryObject,
  path: string,
  depth: number,
  visit: Visit,
): void => {
  if (before.tree === after.tree) return
  checkDepth(depth)
  // Each tree is looked at once, in its frame: it need not be copied.
  const oldTree = Tree.decode(repository.readObject(before.tree))
  const nextTree = Tree.decode(repository.readObject(after.tree))
  const old = oldTree.entries
  const next = nextTree.entries
  let i = 0
  let j = 0
  while (i < old.length || j < next.length) {
    const a = old[i]
    const b = next[j]
    if (b === undefined || (a !== undefined && a.name < b.name)) {
      const { name, object } = a as TreeEntry
      whole(repository, 'D', name, object, path, depth, visit)
      i++
    } else if (a === undefined || b.name < a.name) {
      whole(repository, 'A', b.name, b.object, path, depth, visit)
      j++
    } else {
      if (!oldTree.isSameObject(i, nextTree, j))
        diffEntries(repository, a, b, path, depth, visit)
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
  visit: Visit,
): void => {
  const path = joinRaw(directory, name)
  if (before.kind === 'directory' && after.kind === 'directory') {
    if (!isSameMetadata(before, after))
      visit({ kind: 'M', path, before, after })
    diffDirectories(repository, before, after, path, depth + 1, visit)
    return
  }
  const kind = before.kind === after.kind ? 'M' : 'T'
  visit({ kind, path, before, after })
  if (before.kind === 'directory')
    below(repository, 'D', before, path, depth + 1, visit)
  if (after.kind === 'directory')
    below(repository, 'A', after, path, depth + 1, visit)
}

const whole = (
  repository: Repository,
  kind: 'A' | 'D',
  name: string,
  object: FsObject,
  directory: string,
  depth: number,
  visit: Visit,
): void => {
  const path = joinRaw(directory, name)
  visit(
    kind === 'A'
      ? { kind, path, before: undefined, after: object }
      : { kind, path, before: object, after: undefined },
  )
  if (object.kind === 'directory')
    below(repository, kind, object, path, depth + 1, visit)
}

const below = (
  repository: Repository,
  kind: 'A' | 'D',
  directory: DirectoryObject,
  path: string,
  depth: number,
  visit: Visit,
): void => {
  checkDepth(depth)
  visitTree(repository.readObject(directory.tree), (name, object) => {
    whole(repository, kind, name, object, path, depth, visit)
  })
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
