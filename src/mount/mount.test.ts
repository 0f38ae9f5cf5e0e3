import t from 'tap'
import { FUSE_ROOT_ID } from '../fuse/layout.ts'
import { parseMountTable } from '../system/mount-table.ts'
import {
  bindOptions,
  DEFAULT_MOUNT_OPTIONS,
  parseMountOptions,
} from './mount-options.ts'
import {
  NODE_DIRECTORY,
  NODE_FREE,
  NODE_OBJECT,
  NODE_ROOT,
} from '../view/node-kind.ts'
import { NodeTable } from '../view/node-table.ts'
import type { NodeKey, NodeKind } from '../view/node-kind.ts'
import { ROOT_PATH_KEY } from '../view/node-identity.ts'
import { NodeRows, ROW_BYTES } from '../view/node-rows.ts'
import { compareViewNames } from '../view/view-names.ts'
import type { ViewDirectory, ViewNode } from '../view/view-names.ts'

const container = Buffer.from('c'.repeat(32))
const keyOf = (n: number): NodeKey => new Uint32Array([n % 7, n, 0, 1])

const acquire = (
  table: NodeTable,
  kind: NodeKind,
  place: number,
  keys: NodeKey,
  container: Uint8Array,
  index: number,
): number => table.acquire({ kind, place, keys, keyAt: 0 }, container, index)

t.test('one identity is one node', async t => {
  const table = new NodeTable()
  const a = acquire(table, NODE_OBJECT, 0, keyOf(1), container, 5)
  t.equal(acquire(table, NODE_OBJECT, 0, keyOf(1), container, 9), a)
  t.equal(table.indexOf(a), 5)
  t.equal(table.containerOf(a), container.toString('latin1'))
  t.not(acquire(table, NODE_DIRECTORY, 3, keyOf(1), container, 0), a)
  t.not(
    acquire(table, NODE_DIRECTORY, 4, keyOf(1), container, 0),
    acquire(table, NODE_DIRECTORY, 3, keyOf(1), container, 0),
  )
  t.equal(table.find(NODE_OBJECT, 0, keyOf(1)), a)
  t.equal(table.find(NODE_OBJECT, 0, keyOf(2)), undefined)
  t.notOk(table.forget(a, 1))
  t.ok(table.forget(a, 1))
  t.equal(table.kindOf(a), NODE_FREE)
  const again = acquire(table, NODE_OBJECT, 0, keyOf(8), container, 0)
  t.equal(again, a, 'a free row is used again')
  t.equal(table.generationOf(again), 1, 'with another generation')
})

t.test('where an object was met is no part of what it is', async t => {
  const table = new NodeTable()
  const root = acquire(table, NODE_ROOT, 0, keyOf(1), container, 0)
  const inside = acquire(table, NODE_DIRECTORY, root, keyOf(2), container, 0)
  const other = acquire(table, NODE_DIRECTORY, root, keyOf(3), container, 0)
  const a = acquire(table, NODE_OBJECT, inside, keyOf(4), container, 0)
  t.same(table.pathKeyAbove(a), keyOf(2))
  t.equal(acquire(table, NODE_OBJECT, root, keyOf(4), container, 0), a)
  t.same(table.pathKeyAbove(a), ROOT_PATH_KEY)
  t.equal(acquire(table, NODE_OBJECT, FUSE_ROOT_ID, keyOf(4), container, 0), a)
  t.same(table.pathKeyAbove(a), ROOT_PATH_KEY)
  acquire(table, NODE_OBJECT, other, keyOf(4), container, 0)
  t.equal(table.find(NODE_OBJECT, 0, keyOf(4)), a)
  table.forget(other, 1)
  t.equal(table.pathKeyAbove(a), undefined, 'it is gone')
  table.restore()
  t.equal(table.find(NODE_OBJECT, 0, keyOf(4)), a, 'by the next server too')
  t.ok(table.forget(a, 4))
  t.equal(table.find(NODE_OBJECT, 0, keyOf(4)), undefined)
})

t.test(
  'two mounts name a node by the same id and another generation',
  async t => {
    const buffer = new ArrayBuffer(16 * ROW_BYTES)
    const next = new Uint32Array(1)
    const table = new NodeTable(
      new NodeRows(buffer, 0, 16, { next, firstGeneration: 2 ** 32 - 1 }),
    )
    const a = acquire(table, NODE_OBJECT, 0, keyOf(1), container, 0)
    t.equal(table.generationOf(a), 2 ** 32 - 1)
    table.forget(a, 1)
    t.equal(acquire(table, NODE_OBJECT, 0, keyOf(2), container, 0), a)
    t.equal(table.generationOf(a), 0, 'of 32 bits, as handles have it')
  },
)

t.test('an id that somebody still uses is given to nobody', async t => {
  let isHeld = true
  const table = new NodeTable(undefined, () => isHeld)
  const a = acquire(table, NODE_OBJECT, 0, keyOf(1), container, 0)
  table.forget(a, 1)
  const b = acquire(table, NODE_OBJECT, 0, keyOf(2), container, 0)
  t.not(b, a)
  t.equal(table.find(NODE_OBJECT, 0, keyOf(1)), undefined)
  isHeld = false
  t.equal(acquire(table, NODE_OBJECT, 0, keyOf(3), container, 0), a)
  t.equal(table.generationOf(a), 1)
})

t.test('a key may stand among others', async t => {
  const table = new NodeTable()
  const keys = new Uint32Array([9, 9, 9, 9, 1, 2, 3, 4])
  const a = table.acquire(
    { kind: NODE_OBJECT, place: 0, keys, keyAt: 4 },
    container,
    0,
  )
  const key = new Uint32Array([1, 2, 3, 4])
  t.equal(table.find(NODE_OBJECT, 0, key), a)
  t.equal(table.find(NODE_OBJECT, 0, keys), undefined)
})

t.test(
  'a table is what a map would be, whatever is acquired and forgotten',
  async t => {
    const seed = Date.now() & 0xffff
    t.comment(`seed ${seed}`)
    let state = seed | 1
    const random = (n: number) =>
      (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n
    const table = new NodeTable()
    const model = new Map<number, { nodeId: number; count: number }>()
    for (let step = 0; step < 60_000; step++) {
      const n = random(9000)
      const known = model.get(n)
      if (random(5) < 3 || known === undefined) {
        const place = random(9)
        const nodeId = acquire(
          table,
          NODE_OBJECT,
          place,
          keyOf(n),
          container,
          n,
        )
        if (known !== undefined && known.nodeId !== nodeId)
          t.fail(`node of ${n} changed`)
        model.set(n, { nodeId, count: (known?.count ?? 0) + 1 })
      } else {
        const count = 1 + random(known.count)
        const gone = table.forget(known.nodeId, count)
        if (gone !== (count === known.count)) t.fail(`forget of ${n}`)
        if (gone) model.delete(n)
        else known.count -= count
      }
    }
    t.equal(table.size, model.size)
    for (const [n, { nodeId }] of model) {
      if (table.find(NODE_OBJECT, 0, keyOf(n)) !== nodeId)
        t.fail(`node of ${n} is lost`)
      if (table.indexOf(nodeId) !== n) t.fail(`row of ${n}`)
    }
  },
)

t.test('mount options', async t => {
  t.same(parseMountOptions([]), DEFAULT_MOUNT_OPTIONS)
  t.match(parseMountOptions(['suid,dev', 'nosuid']), {
    suid: false,
    dev: true,
  })
  t.match(
    parseMountOptions([
      'xattr=off,transport=fuse-native,readahead=0,spin=7,noexec,ro,allow_other',
    ]),
    {
      xattrs: 'off',
      transport: 'fuse-native',
      readAheadKib: 0,
      spinMicros: 7,
      exec: false,
      allowOther: true,
    },
  )
  for (const bad of [
    'rw',
    'nope',
    'xattr=maybe',
    'transport=',
    'readahead=-1',
    'spin=99999',
  ])
    t.throws(() => parseMountOptions([bad]), { code: 'USAGE' }, bad)
  t.equal(bindOptions(DEFAULT_MOUNT_OPTIONS), 'ro,nosuid,nodev,exec')
})

t.test('the mount table', async t => {
  const text =
    '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw\nrubbish\n'
  t.same(parseMountTable(text), [
    {
      id: 36,
      parentId: 35,
      device: '98:0',
      root: '/mnt1',
      mountpoint: '/mnt 2',
      mountOptions: 'rw,noatime',
      type: 'ext3',
      source: '/dev/root',
      options: 'rw',
    },
  ])
})

t.test('names of the view are compared one by one', async t => {
  const dir = (children: Record<string, ViewNode>): ViewDirectory => ({
    kind: 'directory',
    children: new Map(Object.entries(children)),
  })
  const link = (target: string): ViewNode => ({
    kind: 'link',
    target,
    timeSec: 1,
  })
  const before = dir({
    refs: dir({ a: link('1'), b: link('1'), os: dir({ x: link('1') }) }),
  })
  const after = dir({
    refs: dir({
      a: link('2'),
      b: link('1'),
      os: dir({ x: link('1'), y: link('1') }),
      c: link('1'),
    }),
  })
  t.same(compareViewNames(before, after), [
    { directory: 'refs/os', names: ['y'] },
    { directory: 'refs', names: ['a', 'c'] },
  ])
  t.same(compareViewNames(after, after), [])
})
