import t from 'tap'
import { DirectoryPage } from '../fuse/records.ts'
import { digestOf } from '../objects/digest.ts'
import type { FsObject } from '../objects/fs-object.ts'
import { encodeTree } from '../objects/tree.ts'
import type { TreeEntry } from '../objects/tree.ts'
import { attributesOf } from './attributes.ts'
import { isDirectoryRecord } from './directory-records.ts'
import { Directory } from './directory.ts'
import { ROOT_PATH_KEY } from './node-identity.ts'
import type { NodeKey } from './node-kind.ts'

const METADATA = { uid: 7, gid: 8, mtimeSec: 1e9, mtimeNsec: 5, xattrs: [] }

const objectOf = (i: number): FsObject => {
  const digest = digestOf(Buffer.from(`object ${i}`))
  switch (i % 3) {
    case 0:
      return {
        ...METADATA,
        kind: 'directory',
        mode: 0o40755,
        tree: digest,
        subdirectories: 2,
      }
    case 1:
      return {
        ...METADATA,
        kind: 'symlink',
        mode: 0o120777,
        target: `to ${i}`,
        links: undefined,
      }
    default:
      return {
        ...METADATA,
        kind: 'file',
        mode: 0o100644,
        sizeBytes: i,
        dataBytes: i,
        content: [{ lengthBytes: i, chunk: digest }],
        links: undefined,
      }
  }
}

/** Names of all lengths, and of bytes that are not UTF-8. */
const nameOf = (i: number): string =>
  String(i).padStart(6, '0') + '\xe9'.repeat(i % 249)

const makeEntries = (count: number): TreeEntry[] =>
  Array.from({ length: count }, (_, i) => ({
    name: nameOf(i),
    object: objectOf(i),
  }))

const decode = (entries: readonly TreeEntry[], path?: NodeKey) => {
  const bytes = Buffer.from(encodeTree(entries))
  return Directory.decode(digestOf(bytes), bytes, path)
}

/** The path key of some directory. */
const SOMEWHERE = new Uint32Array([1, 2, 3, 2 ** 32 - 1])

for (const count of [0, 1, 3, 700, 2500])
  t.test(`a directory of ${count} entries is its tree`, async t => {
    const entries = makeEntries(count)
    const directory = decode(entries)
    t.equal(directory.count, count)
    entries.forEach(({ name, object }, i) => {
      if (directory.name(i) !== name) t.fail(`name ${i}`)
      if (directory.indexOf(name) !== i) t.fail(`index of ${i}`)
      t.same(
        encodeTree([{ name, object: directory.object(i) }]),
        encodeTree([{ name, object }]),
      )
    })
    for (const absent of ['', '0', '\xff', `${nameOf(0)}x`, 'x'.repeat(300)])
      t.equal(directory.indexOf(absent), -1)
  })

for (const isListed of [true, false])
  t.test('records are what is written one by one', async t => {
    const entries = makeEntries(2500)
    const path = SOMEWHERE
    const directory = decode(entries, isListed ? path : undefined)
    for (let first = 0; first < entries.length;) {
      const records = directory.records(first, path)
      const at = first - records.first
      const end = Math.min(records.first + records.count, entries.length)
      const out = Buffer.alloc(1 << 20)
      const page = new DirectoryPage(out, 0)
      page.reset(out.length, true)
      const identities = {
        acquire: (i: number) => 1000 + i,
        generationOf: () => 3,
      }
      t.equal(page.addRecords(records, at, identities), end - first)
      const expected = Buffer.alloc(1 << 20)
      const one = new DirectoryPage(expected, 0)
      one.reset(expected.length, true)
      for (let i = first; i < end; i++) {
        const { name, object } = entries[i] as TreeEntry
        const { key, inode } = directory.identity(i, object, path)
        const isDirectory = object.kind === 'directory'
        const record = i - records.first
        t.same(records.keys.slice(record * 4, record * 4 + 4), key)
        t.equal(isDirectoryRecord(records, record), isDirectory)
        const attributes = attributesOf(object, inode)
        one.add(name, i + 3, attributes, () => ({
          nodeId: 1000 + record,
          generation: 3,
          attributes,
        }))
      }
      t.ok(page.lengthBytes > 0)
      t.equal(page.lengthBytes, one.lengthBytes)
      t.ok(
        out
          .subarray(0, page.lengthBytes)
          .equals(expected.subarray(0, page.lengthBytes)),
      )
      first = end
    }
  })

t.test('records belong to one path', async t => {
  const directory = decode(makeEntries(3), ROOT_PATH_KEY)
  const keys = (path: NodeKey, i: number) =>
    directory.records(0, path).keys.slice(i * 4, i * 4 + 4)
  for (let i = 0; i < 3; i++) {
    const here = keys(ROOT_PATH_KEY, i)
    t.notSame(keys(SOMEWHERE, i), here)
    t.same(keys(ROOT_PATH_KEY, i), here)
  }
})
