/**
 * Compares two commits by their trees: equal subtrees are never opened, so the
 * cost grows with the changes and not with the trees.
 */

import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { encodeFsObject } from '../objects/fs-object.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import { Tree, TreeReader } from '../objects/tree.ts'
import type { TreeEntry } from '../objects/tree.ts'
import type { LocalLease, LocalLeases } from '../store/object-reader.ts'
import { joinRaw } from './raw-path.ts'
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

/** A directory that is in both commits, and how far it was compared. */
interface Both {
  readonly path: string
  readonly old: Tree
  readonly next: Tree
  i: number
  j: number
}

/** A directory that is in one of them alone. */
interface Whole {
  readonly path: string
  readonly kind: 'A' | 'D'
  readonly reader: TreeReader
}

/**
 * Tells `visit` the changes from `before` to `after`, in path order. None is
 * kept: what a whole directory holds may be all of a tree.
 * Errors: as of a lease; what came before the damage was visited.
 */
export const diffTrees = (
  store: LocalLeases,
  before: DirectoryObject,
  after: DirectoryObject,
  visit: Visit,
): void => {
  if (!isSameMetadata(before, after))
    visit({ kind: 'M', path: '.', before, after })
  // Each tree is looked at once, where it is stored: it need not be copied.
  const lease = store.lease()
  try {
    const walk = new DiffWalk(lease, visit)
    walk.enterBoth(before, after, '')
    while (!walk.isDone) walk.step()
  } finally {
    lease.end()
  }
}

/** The directories from the root down to where the comparison stands. */
class DiffWalk {
  readonly #lease: LocalLease
  readonly #visit: Visit
  readonly #levels: (Both | Whole)[] = []

  constructor(lease: LocalLease, visit: Visit) {
    this.#lease = lease
    this.#visit = visit
  }

  get isDone(): boolean {
    return this.#levels.length === 0
  }

  enterBoth(
    before: DirectoryObject,
    after: DirectoryObject,
    path: string,
  ): void {
    if (before.tree === after.tree) return
    checkDepth(this.#levels.length)
    const old = Tree.decode(this.#lease.read(before.tree))
    const next = Tree.decode(this.#lease.read(after.tree))
    this.#levels.push({ path, old, next, i: 0, j: 0 })
  }

  /** Does one entry of where it stands, or goes up. */
  step(): void {
    const level = this.#levels.at(-1) as Both | Whole
    if ('reader' in level) this.#stepWhole(level)
    else this.#stepBoth(level)
  }

  #stepWhole({ kind, path, reader }: Whole): void {
    const object = reader.next()
    if (object === undefined) this.#levels.pop()
    else this.#whole(kind, reader.name, object, path)
  }

  #stepBoth(level: Both): void {
    const { old, next, path, i, j } = level
    const a = old.entries[i]
    const b = next.entries[j]
    if (a === undefined && b === undefined) this.#levels.pop()
    else if (b === undefined || (a !== undefined && a.name < b.name)) {
      const { name, object } = a as TreeEntry
      level.i++
      this.#whole('D', name, object, path)
    } else if (a === undefined || b.name < a.name) {
      level.j++
      this.#whole('A', b.name, b.object, path)
    } else {
      level.i++
      level.j++
      if (!old.isSameObject(i, next, j)) this.#entries(a, b, path)
    }
  }

  /** Of two entries whose encodings differ. */
  #entries(
    { name, object: before }: TreeEntry,
    { object: after }: TreeEntry,
    directory: string,
  ): void {
    const path = joinRaw(directory, name)
    if (before.kind === 'directory' && after.kind === 'directory') {
      if (!isSameMetadata(before, after))
        this.#visit({ kind: 'M', path, before, after })
      this.enterBoth(before, after, path)
      return
    }
    const kind = before.kind === after.kind ? 'M' : 'T'
    this.#visit({ kind, path, before, after })
    if (before.kind === 'directory') this.#enterWhole('D', before, path)
    if (after.kind === 'directory') this.#enterWhole('A', after, path)
  }

  #whole(
    kind: 'A' | 'D',
    name: string,
    object: FsObject,
    directory: string,
  ): void {
    const path = joinRaw(directory, name)
    this.#visit(
      kind === 'A'
        ? { kind, path, before: undefined, after: object }
        : { kind, path, before: object, after: undefined },
    )
    if (object.kind === 'directory') this.#enterWhole(kind, object, path)
  }

  #enterWhole(kind: 'A' | 'D', { tree }: DirectoryObject, path: string): void {
    checkDepth(this.#levels.length)
    const reader = new TreeReader(this.#lease.read(tree))
    this.#levels.push({ kind, path, reader })
  }
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
