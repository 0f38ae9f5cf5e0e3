import t from 'tap'
import { DendroError } from '../errors.ts'
import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import { encodeTree } from '../objects/tree.ts'
import { Directory } from './directory.ts'
import { LostObjects } from './lost-objects.ts'
import { ROOT_PATH_KEY } from './node-identity.ts'
import { NODE_DIRECTORY, NODE_OBJECT, NODE_ROOT } from './node-kind.ts'
import { NodeTable } from './node-table.ts'
import type { NodeKey } from './node-kind.ts'
import { NodeRows, ROW_BYTES } from './node-rows.ts'

const METADATA = { uid: 0, gid: 0, mtimeSec: 1, mtimeNsec: 0, xattrs: [] }
const ROWS = 64
const NOWHERE = 2 ** 32 - 1

const linkTo = (target: string, isLinked = false): FsObject => ({
  ...METADATA,
  kind: 'symlink',
  mode: 0o120777,
  target,
  links: isLinked ? { nlink: 2, group: 'g'.repeat(16) } : undefined,
})

const directoryOf = ({ tree }: Directory): DirectoryObject => ({
  ...METADATA,
  kind: 'directory',
  mode: 0o40755,
  tree,
  subdirectories: 0,
})

const makeTree = (entries: Record<string, FsObject>): Directory => {
  const names = Object.keys(entries).sort()
  const bytes = encodeTree(
    names.map(name => ({ name, object: entries[name] as FsObject })),
  )
  return Directory.decode(digestOf(bytes), bytes)
}

/** Two commits, both known; in the table all objects stand in the first. */
const makeView = () => {
  const rows = new NodeRows(new ArrayBuffer(ROWS * ROW_BYTES), 0, ROWS, {
    next: new Uint32Array(1),
  })
  const nodes = new NodeTable(rows)
  const store = new Map<Digest, Directory>()
  const objects = new Map<number, Directory>()
  const loads: Digest[] = []
  let reloads = 0
  const lost = new LostObjects({
    indexes: {
      find: digest => (store.has(digest) ? ({} as never) : undefined),
      reload: () => ++reloads > 0,
    },
    nodes,
    directories: {
      load: digest => {
        loads.push(digest)
        const found = store.get(digest)
        if (found === undefined) throw new DendroError('MISSING_OBJECT', '')
        return found
      },
    },
    isRootInCommit: false,
    directory: nodeId => directoryOf(objects.get(nodeId) as Directory),
  })
  const enter = (kind: 2 | 3, key: NodeKey, directory: Directory): number => {
    const nodeId = nodes.acquire(
      { kind, place: 0, keys: key, keyAt: 0 },
      directory.treeId,
      0,
    )
    store.set(directory.tree, directory)
    objects.set(nodeId, directory)
    return nodeId
  }
  /** The node of an entry, as a LOOKUP makes it. */
  const lookup = (directory: Directory, name: string, path: NodeKey) => {
    const index = directory.indexOf(name)
    const { key } = directory.identity(index, directory.object(index), path)
    return nodes.acquire(
      { kind: NODE_OBJECT, place: 0, keys: key, keyAt: 0 },
      directory.treeId,
      index,
    )
  }
  const standsIn = (nodeId: number, directory: Directory, name: string) =>
    nodes.isPlaced(nodeId) &&
    nodes.containerOf(nodeId) === directory.tree &&
    nodes.indexOf(nodeId) === directory.indexOf(name)
  return { rows, nodes, store, loads, lost, enter, lookup, standsIn }
}

const ETC: NodeKey = new Uint32Array([1, 2, 3, 4])
const USR: NodeKey = new Uint32Array([5, 6, 7, 8])
const both = { kept: linkTo('a'), last: linkTo('b') }

t.test('what another commit has at its path is found there', async t => {
  const { store, lost, enter, lookup, standsIn, nodes } = makeView()
  const before = makeTree({ ...both, linked: linkTo('c', true) })
  const root = makeTree({ kept: linkTo('a') })
  const etc = makeTree({ above: linkTo('x'), ...both })
  const usr = makeTree({ elsewhere: linkTo('c', true) })
  enter(NODE_ROOT, ROOT_PATH_KEY, root)
  enter(NODE_DIRECTORY, ETC, etc)
  enter(NODE_DIRECTORY, USR, usr)
  store.set(before.tree, before)
  const kept = lookup(before, 'kept', ETC)
  const last = lookup(before, 'last', ETC)
  const linked = lookup(before, 'linked', ETC)
  t.notOk(lost.find(kept), 'its tree is there')
  store.delete(before.tree)
  t.ok(lost.find(kept))
  t.ok(standsIn(kept, etc, 'kept'), 'not in the root: the path is another')
  t.ok(standsIn(last, etc, 'last'), 'all are found at once')
  t.ok(standsIn(linked, usr, 'elsewhere'), 'hard links by any name')
  t.equal(lookup(etc, 'kept', ETC), kept)
  t.notOk(lost.find(nodes.ofKind(NODE_ROOT).next().value as number))
})

t.test('what is nowhere is looked for once', async t => {
  const { nodes, loads, lost, enter, lookup, standsIn } = makeView()
  const before = makeTree(both)
  const etc = enter(NODE_DIRECTORY, ETC, makeTree({ other: linkTo('a') }))
  const kept = lookup(before, 'kept', ETC)
  t.notOk(lost.find(kept))
  t.equal(loads.length, 1)
  t.notOk(lost.find(kept))
  t.equal(loads.length, 1)
  // Another directory that has it comes to be known.
  const after = makeTree({ kept: linkTo('a') })
  enter(NODE_ROOT, ROOT_PATH_KEY, makeTree({ a: linkTo('a') }))
  nodes.forget(etc, 1)
  enter(NODE_DIRECTORY, ETC, after)
  t.notOk(lost.find(kept))
  lost.retry()
  t.ok(lost.find(kept))
  t.ok(standsIn(kept, after, 'kept'))
})

t.test('damage on the way is passed over', async t => {
  const { store, lost, enter, lookup, standsIn } = makeView()
  const before = makeTree(both)
  const damaged = makeTree({ x: linkTo('x') })
  enter(NODE_ROOT, ROOT_PATH_KEY, damaged)
  store.delete(damaged.tree)
  const more = makeTree({ ...both, more: linkTo('m') })
  enter(NODE_DIRECTORY, ETC, more)
  const kept = lookup(before, 'kept', ETC)
  t.ok(lost.find(kept))
  t.ok(standsIn(kept, more, 'kept'))
})

t.test('a server that was killed on the way leaves it to the next', async t => {
  const { rows, nodes, lost, enter, lookup, standsIn } = makeView()
  const etc = makeTree(both)
  enter(NODE_DIRECTORY, ETC, etc)
  const kept = lookup(etc, 'kept', ETC)
  rows.index[kept] = NOWHERE
  nodes.restore()
  t.notOk(nodes.isPlaced(kept))
  t.ok(lost.find(kept))
  t.ok(standsIn(kept, etc, 'kept'))
})
