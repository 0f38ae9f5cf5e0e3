/** A repository that an enemy wrote: looked at, mounted, checked out, never obeyed. */

import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { encodeCommit } from '../../src/objects/commit.ts'
import { digestToHex } from '../../src/objects/digest.ts'
import { encodeExtentList } from '../../src/objects/extents.ts'
import type { Digest } from '../../src/objects/digest.ts'
import { MIN_LISTED_EXTENT_BYTES } from '../../src/objects/limits.ts'
import { toRefName } from '../../src/refs/ref-name.ts'
import { RefStore } from '../../src/refs/ref-store.ts'
import { Repository } from '../../src/store/repository.ts'
import type { ObjectWriter } from '../../src/store/object-writer.ts'
import { list } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { rawTree } from '../raw-tree.ts'
import type { RawEntry } from '../raw-tree.ts'

/** Publishes a commit whose root tree `build` makes. */
const publish = async (
  t: TestContext,
  build: (writer: ObjectWriter) => Buffer,
): Promise<string> => {
  const repository = Repository.open(t.repository)
  const writer = await repository.beginWrite()
  const tree = writer.add('meta', build(writer))
  const packs = await writer.finish()
  const id = await repository.publish(packs, () => {
    const commit = repository.commits.put(
      encodeCommit({
        root: {
          kind: 'directory',
          mode: 0o40755,
          uid: 0,
          gid: 0,
          mtimeSec: 0,
          mtimeNsec: 0,
          xattrs: [],
          tree,
          subdirectories: 0,
        },
        parents: [],
        timeSec: 0,
        subject: 'evil',
        body: '',
        metadata: new Map(),
        summary: {
          files: 0,
          directories: 0,
          others: 0,
          logicalBytes: 0,
          xattrNames: [],
        },
      }),
    )
    new RefStore(repository.paths, 'refs').set(toRefName('evil'), commit)
    return commit
  })
  await writer.close()
  repository.close()
  return digestToHex(id)
}

const link = (name: string, target: string): RawEntry => ({
  name,
  mode: 0o120777,
  payload: { kind: 'target', target },
})

const empty = (name: string): RawEntry => ({
  name,
  mode: 0o100644,
  payload: { kind: 'extents', extents: [] },
})

const nowhere = 'x'.repeat(32) as Digest

/** Trees that are refused as a whole, by what is wrong with them. */
const REFUSED: Readonly<Record<string, RawEntry[]>> = {
  'a name "."': [empty('.')],
  'a name ".."': [empty('..')],
  'a name with a slash': [empty('../../etc/passwd')],
  'an empty name': [empty('')],
  'a name with NUL': [empty('a\0b')],
  'a name of 256 bytes': [empty('n'.repeat(256))],
  'the same name twice': [link('x', '/etc'), empty('x')],
  'names that do not ascend': [empty('b'), empty('a')],
  'an empty link': [link('l', '')],
  'a link with NUL': [link('l', '/etc\0/passwd')],
  'a link of 4096 bytes': [link('l', 't'.repeat(4096))],
  'an unknown type': [{ ...empty('t'), mode: 0o170644 }],
  'a directory with a link target': [
    { name: 'd', mode: 0o40755, payload: { kind: 'target', target: '/etc' } },
  ],
  'a chunk of 2^40 bytes': [
    {
      ...empty('f'),
      payload: { kind: 'extents', extents: [[2 ** 40, nowhere]] },
    },
  ],
  'a size past 2^53': [
    {
      ...empty('f'),
      payload: {
        kind: 'extents',
        extents: [
          [2 ** 53 - 1, undefined],
          [1, nowhere],
        ],
      },
    },
  ],
  'a device beyond dev_t': [
    {
      name: 'dev',
      mode: 0o20666,
      payload: { kind: 'device', major: 2 ** 20, minor: 0 },
    },
  ],
}

const COUNT_TOO_LARGE = Buffer.concat([
  // array32 of 2^32 - 1 elements, "tree", and nothing behind it.
  Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff, 0xa4]),
  Buffer.from('tree'),
])

/** Nothing appeared beside the target, and the victim is as it was. */
const isUntouched = (t: TestContext, before: readonly string[]): void => {
  assert.deepEqual(readdirSync(t.directory).sort(), [...before].sort())
  assert.deepEqual(readdirSync(t.path('victim')), ['file'])
  assert.equal(readFileSync(t.path('victim', 'file'), 'utf8'), 'untouched\n')
}

const prepare = (t: TestContext): string[] => {
  t.makeDirectory('victim')
  writeFileSync(t.path('victim', 'file'), 'untouched\n')
  t.makeDirectory('mnt')
  t.dendro('init')
  return readdirSync(t.directory)
}

/** All verbs meet the tree and refuse it; the mount goes on. */
const refusesAll = (t: TestContext, before: readonly string[]): void => {
  for (const args of [
    ['ls', 'evil'],
    ['diff', 'evil', 'evil^{}'],
    ['checkout', 'evil', t.path('out')],
    ['cat', 'evil', 'x'],
  ]) {
    const { status, stderr } = t.tryDendro(...args)
    assert.ok(status === 1 || status === 3, `${args.join(' ')}: ${status}`)
    assert.match(stderr, /^dendro: [^\n]*\n$/)
    assert.doesNotMatch(stderr, /TypeError|RangeError|at .*\.js/)
  }
  assert.equal(t.tryDendro('fsck').status, 3)
  const view = t.mount(t.path('mnt'))
  assert.notEqual(t.try('ls', ['-lR', `${view}/refs/evil/`]).status, 0)
  assert.equal(t.try('ls', [`${view}/refs`]).status, 0)
  t.dendro('umount', view)
  isUntouched(t, before)
}

export const tests: TestTable = {
  ...Object.fromEntries(
    Object.entries(REFUSED).map(([what, entries]) => [
      `${what} is refused`,
      async (t: TestContext) => {
        const before = prepare(t)
        await publish(t, () => rawTree(entries))
        refusesAll(t, before)
      },
    ]),
  ),
  'a count of 2^32 entries is refused': async t => {
    const before = prepare(t)
    await publish(t, () => COUNT_TOO_LARGE)
    refusesAll(t, before)
  },
  'a file where a tree should be is refused': async t => {
    const before = prepare(t)
    await publish(t, writer => {
      const file = writer.add('data', Buffer.from('no tree at all'))
      return rawTree([
        { name: 'd', mode: 0o40755, payload: { kind: 'tree', tree: file } },
      ])
    })
    assert.equal(t.tryDendro('checkout', 'evil', t.path('out')).status, 3)
    assert.equal(t.tryDendro('fsck').status, 3)
    const mounted = t.mount('evil', t.path('mnt'))
    assert.equal(t.try('ls', [mounted]).status, 0)
    assert.notEqual(t.try('ls', [`${mounted}/d`]).status, 0)
    t.dendro('umount', mounted)
    isUntouched(t, before)
  },
  'links out of the tree are made, never followed': async t => {
    const before = prepare(t)
    await publish(t, writer => {
      const inner = writer.add('meta', rawTree([empty('file')]))
      return rawTree([
        { name: 'a', mode: 0o40777, payload: { kind: 'tree', tree: inner } },
        link('b', t.path('victim')),
        link('c', 'd'),
        link('d', 'c'),
        link('self', 'self'),
      ])
    })
    t.dendro('checkout', 'evil', t.path('out'))
    assert.ok(lstatSync(t.path('out', 'b')).isSymbolicLink())
    const mounted = t.mount('evil', t.path('mnt'))
    assert.match(t.try('cat', [`${mounted}/c`]).stderr, /symbolic links/)
    t.dendro('umount', mounted)
    isUntouched(t, [...before, 'out'])
  },
  'a file that says more bytes than there are gives EIO, never less':
    async t => {
      prepare(t)
      await publish(t, writer => {
        const chunk = writer.add('data', Buffer.from('short'))
        const list = writer.add(
          'meta',
          // ["extents", 5, chunk]
          Buffer.concat([
            Buffer.from([0x93, 0xa7]),
            Buffer.from('extents'),
            Buffer.from([5, 0xc4, 32]),
            Buffer.from(chunk, 'latin1'),
          ]),
        )
        return rawTree([
          {
            ...empty('inline'),
            payload: { kind: 'extents', extents: [[1000, chunk]] },
          },
          {
            ...empty('list'),
            payload: { kind: 'list', size: 1_000_000, list },
          },
        ])
      })
      assert.equal(t.tryDendro('fsck').status, 3)
      const mounted = t.mount('evil', t.path('mnt'))
      for (const [name, size] of [
        ['inline', 1000],
        ['list', 1_000_000],
      ] as const) {
        assert.match(
          t.try('cat', [`${mounted}/${name}`]).stderr,
          /Input\/output error/,
        )
        assert.equal(lstatSync(`${mounted}/${name}`).size, size)
        assert.equal(t.tryDendro('cat', 'evil', name).status, 3)
      }
      assert.equal(t.tryDendro('checkout', 'evil', t.path('out')).status, 3)
    },
  'a sparse file of 2^52 bytes is shown, and a checkout of it fails cleanly':
    async t => {
      const before = prepare(t)
      await publish(t, () =>
        rawTree([
          {
            ...empty('huge'),
            payload: { kind: 'extents', extents: [[2 ** 52, undefined]] },
          },
        ]),
      )
      const mounted = t.mount('evil', t.path('mnt'))
      assert.equal(
        t.run('stat', ['-c', '%s %b', `${mounted}/huge`]).trim(),
        `${2 ** 52} 0`,
      )
      t.sh('tail -c 10 "$1" | cmp -n 10 - /dev/zero', `${mounted}/huge`)
      t.dendro('umount', mounted)
      assert.equal(t.tryDendro('checkout', 'evil', t.path('out')).status, 1)
      isUntouched(t, before)
    },
  'a file in 3,000 pieces is read whole': async t => {
    prepare(t)
    const PIECES = 3000
    const piece = (i: number) =>
      `piece${i}`.padEnd(MIN_LISTED_EXTENT_BYTES, '.')
    await publish(t, writer => {
      const extents = Array.from({ length: PIECES }, (_, i) => ({
        lengthBytes: MIN_LISTED_EXTENT_BYTES,
        chunk: writer.add('data', Buffer.from(piece(i))),
      }))
      const list = writer.add('meta', encodeExtentList(extents))
      return rawTree([
        {
          ...empty('pieces'),
          payload: {
            kind: 'list',
            size: PIECES * MIN_LISTED_EXTENT_BYTES,
            list,
          },
        },
      ])
    })
    const mounted = t.mount('evil', t.path('mnt'))
    const expected = Array.from({ length: PIECES }, (_, i) => piece(i)).join('')
    assert.equal(t.run('cat', [`${mounted}/pieces`]), expected)
    assert.equal(t.dendro('cat', 'evil', 'pieces'), expected)
  },
  'directories nested 5,000 deep are refused by what would go down':
    async t => {
      const before = prepare(t)
      await publish(t, writer => {
        let tree = writer.add('meta', rawTree([empty('end')]))
        for (let depth = 0; depth < 5000; depth++)
          tree = writer.add(
            'meta',
            rawTree([
              {
                name: 'd',
                mode: 0o40755,
                payload: { kind: 'tree', tree, below: depth === 0 ? 0 : 1 },
              },
            ]),
          )
        return rawTree([
          { name: 'd', mode: 0o40755, payload: { kind: 'tree', tree } },
        ])
      })
      for (const args of [
        ['ls', '-R', 'evil'],
        ['checkout', 'evil', t.path('out')],
      ]) {
        const { status, stderr } = t.tryDendro(...args)
        assert.equal(status, 1, args.join(' '))
        assert.match(stderr, /^dendro: [^\n]*\n$/)
        assert.doesNotMatch(stderr, /call stack/)
      }
      t.dendro('fsck')
      const mounted = t.mount('evil', t.path('mnt'))
      t.run('find', [mounted, '-maxdepth', '50'])
      t.dendro('umount', mounted)
      isUntouched(t, before)
    },
  'names that say to be hard links and are not: an overlay keeps them apart':
    async t => {
      t.dendro('init')
      const claim = (name: string): RawEntry => ({
        ...empty(name),
        links: [2, 'g'.repeat(16)],
      })
      // A file that has one name beside two that claim to be one, twice.
      await publish(t, writer => {
        const tree = writer.add('meta', rawTree([claim('a'), claim('c')]))
        return rawTree([
          claim('a'),
          claim('b'),
          { name: 'd', mode: 0o40755, payload: { kind: 'tree', tree } },
          empty('e'),
        ])
      })
      const mounted = t.mount('evil', t.path('mnt'))
      const names = ['a', 'b', 'd/a', 'd/c', 'e']
      const inodes = names.map(name => lstatSync(`${mounted}/${name}`).ino)
      assert.equal(new Set(inodes.slice(0, 4)).size, 1)
      assert.notEqual(inodes[4], inodes[0])
      for (const name of ['upper', 'work', 'merged']) t.makeDirectory(name)
      t.sh(
        `cd "$1"; mount -t overlay overlay -o lowerdir=mnt,upperdir=upper,workdir=work merged
         cat merged/a merged/b merged/d/* merged/e
         echo one > merged/a; echo two >> merged/d/c; chmod 600 merged/b; rm merged/d/a`,
        t.directory,
      )
      const read = (name: string) =>
        readFileSync(t.path('merged', name), 'utf8')
      assert.deepEqual(['a', 'b', 'd/c', 'e'].map(read), [
        'one\n',
        '',
        'two\n',
        '',
      ])
      assert.deepEqual(list(t.path('upper')), ['a', 'b', 'd'])
    },
  'setuid files and devices are shown but inert, unless root asks': async t => {
    prepare(t)
    await publish(t, writer => {
      const id = writer.add('data', readFileSync('/usr/bin/id'))
      const size = readFileSync('/usr/bin/id').length
      return rawTree([
        {
          name: 'id',
          mode: 0o104755,
          payload: { kind: 'extents', extents: [[size, id]] },
        },
        {
          name: 'null',
          mode: 0o20666,
          payload: { kind: 'device', major: 1, minor: 3 },
        },
      ])
    })
    const mounted = t.mount('evil', t.path('mnt'))
    const asNobody = () =>
      t.run('setpriv', [
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
        `${mounted}/id`,
      ])
    assert.equal(lstatSync(`${mounted}/id`).mode, 0o104755)
    assert.doesNotMatch(asNobody(), /euid=0/)
    assert.notEqual(t.try('cat', [`${mounted}/null`]).status, 0)
    t.dendro('umount', mounted)
    t.mount('-o', 'suid,dev', 'evil', t.path('mnt'))
    assert.match(asNobody(), /euid=0/)
    assert.equal(t.run('cat', [`${mounted}/null`]), '')
  },
}
