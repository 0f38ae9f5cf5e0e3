import t from 'tap'
import { blake3 } from '../objects/blake3.ts'
import { digestOf } from '../objects/digest.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import { encodeTree } from '../objects/tree.ts'
import { Directory } from './directory.ts'
import {
  digestKey,
  directoryInode,
  fileInode,
  ROOT_PATH_KEY,
} from './node-identity.ts'
import type { Identity } from './node-identity.ts'
import type { NodeKey } from './node-kind.ts'

const METADATA = { uid: 0, gid: 0, mtimeSec: 1e9, mtimeNsec: 0, xattrs: [] }
/** A tree begins with an array of three and the word "tree". */
const TREE_HEADER_BYTES = 6
const NAME_HEADER_BYTES = 2

const file = (text: string): FsObject => ({
  ...METADATA,
  kind: 'file',
  mode: 0o100644,
  sizeBytes: text.length,
  dataBytes: text.length,
  content:
    text === ''
      ? []
      : [{ lengthBytes: text.length, chunk: digestOf(Buffer.from(text)) }],
  links: undefined,
})

/** A file of which the commit has `nlink` names, the first being `first`. */
const linked = (text: string, nlink: number, first: string): FsObject => {
  const group = digestOf(Buffer.from(first)).slice(0, 16)
  return { ...file(text), links: { nlink, group } } as FsObject
}

const directory = (text: string): DirectoryObject => ({
  ...METADATA,
  kind: 'directory',
  mode: 0o40755,
  tree: digestOf(Buffer.from(text)),
  subdirectories: 0,
})

const link = (target: string): FsObject => ({
  ...METADATA,
  kind: 'symlink',
  mode: 0o120777,
  target,
  links: undefined,
})

/** Two directories of a commit, by their path keys. */
const ETC: NodeKey = new Uint32Array([1, 2, 3, 2 ** 32 - 1])
const USR: NodeKey = new Uint32Array([5, 6, 7, 8])

const encode = (name: string, object: FsObject): Buffer =>
  Buffer.from(encodeTree([{ name, object }]))

const identify = (path: NodeKey, name: string, object: FsObject): Identity => {
  const bytes = encode(name, object)
  const tree = Directory.decode(digestOf(bytes), bytes)
  return tree.identity(0, object, path)
}

const wordsOf = (...parts: Uint8Array[]): number[] => {
  const hash = Buffer.from(blake3(Buffer.concat(parts)), 'latin1')
  return [0, 4, 8, 12].map(at => hash.readUInt32LE(at))
}

const bytesOf = (path: NodeKey): Buffer => {
  const bytes = Buffer.alloc(16)
  path.forEach((word, i) => bytes.writeUInt32LE(word, i * 4))
  return bytes
}

const inodeOf = ([low = 0, high = 0]: readonly number[]) => ({
  inoHigh: high,
  inoLow: low,
})

t.test(
  'equal files of one commit are two, at one path they are one',
  async t => {
    for (const object of [file('same'), file(''), link('to')]) {
      const here = identify(ETC, 'a', object)
      t.same(identify(ETC, 'a', object), here)
      for (const other of [
        identify(ETC, 'b', object),
        identify(USR, 'a', object),
      ]) {
        t.notSame(other.key, here.key)
        t.notSame(other.inode, here.inode)
      }
    }
    t.notSame(identify(ETC, 'a', file('x')), identify(ETC, 'a', file('y')))
    t.notSame(
      identify(ETC, 'a', directory('x')),
      identify(USR, 'a', directory('x')),
    )
  },
)

t.test('hard links are one, wherever they are', async t => {
  const here = identify(ETC, 'a', linked('same', 2, 'etc/a'))
  t.same(identify(USR, 'b', linked('same', 2, 'etc/a')), here)
  for (const other of [
    linked('same', 2, 'etc/c'),
    linked('same', 3, 'etc/a'),
    linked('else', 2, 'etc/a'),
    file('same'),
  ])
    t.notSame(identify(ETC, 'a', other).key, here.key)
})

t.test(
  'a directory is found by its path, and numbered by its object too',
  async t => {
    const [x, y] = [directory('x'), directory('y')]
    const { key, inode } = identify(ETC, 'd', x)
    t.same(identify(ETC, 'd', y).key, key)
    t.notSame(identify(ETC, 'd', y).inode, inode)
    t.same(directoryInode(key, x), inode)
    t.notSame(directoryInode(USR, x), inode)
  },
)

t.test('every byte of path, name and object counts, however many', async t => {
  const long = linked('x'.repeat(100), 2, 'a')
  const xattrs = [{ name: 'user.large', value: 'v'.repeat(65_536) }]
  const large: FsObject = { ...link('to'), xattrs }
  for (const name of ['a', '\xe9'.repeat(255)])
    for (const object of [
      file('text'),
      link('to'),
      large,
      long,
      directory('d'),
    ]) {
      const bytes = encode(name, object).subarray(TREE_HEADER_BYTES)
      const encoded = bytes.subarray(NAME_HEADER_BYTES + name.length)
      const { key, inode } = identify(ETC, name, object)
      if (object.kind === 'directory') {
        t.same([...key], wordsOf(bytesOf(ETC), Buffer.from(name, 'latin1')))
        t.same(inode, inodeOf(wordsOf(bytesOf(key), encoded)))
        continue
      }
      const words =
        object.links === undefined
          ? wordsOf(bytesOf(ETC), bytes)
          : wordsOf(bytesOf(ROOT_PATH_KEY), encoded)
      t.same([...key], words)
      t.same(inode, inodeOf(words))
    }
})

t.test('no entry of a root is found by the key of hard links', async t => {
  // What an enemy would have to make: an entry that reads as an object.
  const object = linked('x', 2, 'a')
  const at = TREE_HEADER_BYTES
  const entry = encode('a', object)
  const encoded = entry.subarray(at + NAME_HEADER_BYTES + 1)
  t.not(entry[at], encoded[0])
})

t.test('numbers are never 0 or 1', async t => {
  t.same(fileInode(new Uint32Array(4)), { inoHigh: 0, inoLow: 2 })
  t.same(fileInode(new Uint32Array([1, 0])), { inoHigh: 0, inoLow: 3 })
  t.same(fileInode(new Uint32Array([1, 7])), { inoHigh: 7, inoLow: 1 })
})

t.test('the key of a digest is its first words', async t => {
  const digest = digestOf(Buffer.from('commit'))
  t.same([...digestKey(digest)], wordsOf(Buffer.from('commit')))
})
