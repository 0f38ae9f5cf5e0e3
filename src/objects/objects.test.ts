import t from 'tap'
import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { DendroError } from '../errors.ts'
import { blake3Words, loadBlake3, portableWords } from './blake3.ts'
import { decodeCommit, encodeCommit } from './commit.ts'
import type { Commit } from './commit.ts'
import { digestFromHex, digestOf, digestToHex, toDigest } from './digest.ts'
import type { Digest } from './digest.ts'
import { decodeExtentList, encodeExtentList } from './extents.ts'
import type { Extent } from './extents.ts'
import {
  decodeFsObject,
  encodeFsObject,
  kindOfMode,
  nlinkOf,
  sizeOf,
} from './fs-object.ts'
import type { DirectoryObject, FsObject } from './fs-object.ts'
import { explainBadName } from './name.ts'
import { encodeTree, Tree } from './tree.ts'

const digest = digestOf(Buffer.from('chunk'))
const metadata = {
  uid: 0,
  gid: 34,
  mtimeSec: -5,
  mtimeNsec: 999_999_999,
  xattrs: [],
}
const links = { nlink: 2, group: 'g'.repeat(16) }
const file: FsObject = {
  kind: 'file',
  mode: 0o100644,
  ...metadata,
  links: undefined,
  sizeBytes: 100_005,
  dataBytes: 5,
  content: [
    { lengthBytes: 5, chunk: digest },
    { lengthBytes: 100_000, chunk: undefined },
  ],
}
const directory: DirectoryObject = {
  kind: 'directory',
  mode: 0o40755,
  ...metadata,
  tree: digest,
  subdirectories: 3,
}
const OBJECTS: readonly FsObject[] = [
  file,
  directory,
  { ...file, sizeBytes: 0, dataBytes: 0, content: [] },
  {
    ...file,
    links,
    xattrs: [
      { name: 'a', value: '' },
      { name: 'b', value: '\xff' },
    ],
  },
  { ...file, sizeBytes: 2 ** 40, dataBytes: 2 ** 39, content: digest },
  {
    kind: 'symlink',
    mode: 0o120777,
    ...metadata,
    links: undefined,
    target: '\xff x',
  },
  {
    kind: 'char',
    mode: 0o20666,
    ...metadata,
    links: undefined,
    major: 1,
    minor: 0xfffff,
  },
  {
    kind: 'block',
    mode: 0o60660,
    ...metadata,
    links: undefined,
    major: 0xfff,
    minor: 0,
  },
  { kind: 'fifo', mode: 0o10644, ...metadata, links: undefined },
  { kind: 'socket', mode: 0o140755, ...metadata, links },
]

const encode = (object: FsObject): Buffer => {
  const writer = new MsgpackWriter()
  encodeFsObject(writer, object)
  return writer.finish()
}

const decode = (bytes: Buffer): FsObject => {
  const reader = new MsgpackReader(bytes, 'object')
  const object = decodeFsObject(reader)
  reader.expectEnd()
  return object
}

t.test(
  'BLAKE3 is what its authors publish, in both implementations',
  async t => {
    // Test vector of length 0 and of "abc" from the BLAKE3 repository and b3sum.
    const vectors: readonly [string, string][] = [
      ['', 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
      [
        'abc',
        '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85',
      ],
    ]
    for (const [input, expected] of vectors)
      t.equal(digestToHex(digestOf(Buffer.from(input))), expected)
    const portable = loadBlake3('portable')
    for (const length of [0, 1, 63, 64, 65, 1023, 1024, 1025, 70_000]) {
      const bytes = Buffer.alloc(length, length)
      t.equal(portable?.(bytes), digestOf(bytes))
      const words = new Uint32Array([7, 0, 0, 0, 0, 7])
      for (const hashWords of [blake3Words, portableWords]) {
        hashWords(bytes, words, 1, 4)
        t.equal(
          Buffer.from(words.buffer, 4, 16).toString('latin1'),
          digestOf(bytes).slice(0, 16),
        )
        t.same([words[0], words[5]], [7, 7])
        words.fill(0, 1, 5)
      }
    }
  },
)

t.test('digests', async t => {
  t.equal(digestFromHex(digestToHex(digest)), digest)
  t.equal(digestFromHex('xyz'), undefined)
  t.equal(toDigest('short'), undefined)
})

t.test('every kind of object round-trips', async t => {
  for (const object of OBJECTS) {
    t.same(decode(encode(object)), object, object.kind)
    t.equal(kindOfMode(object.mode), object.kind)
  }
  t.equal(kindOfMode(0o150000), undefined)
  t.equal(nlinkOf(directory), 5)
  t.equal(nlinkOf(file), 1)
  t.equal(sizeOf(file), 100_005)
})

t.test(
  'an object cut short or with a flipped bit is refused or is another object',
  async t => {
    let surprises = 0
    for (const object of OBJECTS) {
      const bytes = encode(object)
      for (let i = 0; i < bytes.length; i++) {
        t.throws(() => decode(bytes.subarray(0, i)), { code: 'CORRUPT_OBJECT' })
        for (let bit = 0; bit < 8; bit++) {
          const damaged = Buffer.from(bytes)
          damaged[i] = (damaged[i] as number) ^ (1 << bit)
          try {
            if (!encode(decode(damaged)).equals(damaged)) surprises++
          } catch (error) {
            if (!(error instanceof DendroError)) surprises++
          }
        }
      }
    }
    t.equal(surprises, 0, 'what decodes encodes to the same bytes')
  },
)

/** The fields of an object as they stand in a tree, whatever they are. */
type Field = number | string | undefined | readonly Field[]

const writeField = (writer: MsgpackWriter, field: Field): void => {
  if (field === undefined) writer.nil()
  else if (typeof field === 'number') writer.int(field)
  else if (typeof field === 'string') writer.binary(field)
  else {
    writer.array(field.length)
    for (const inner of field) writeField(writer, inner)
  }
}

t.test('objects that nobody may store are refused by readers', async t => {
  interface Odd {
    mode?: number
    owner?: number
    nsec?: number
    xattrs?: Field
    links?: Field
    payload?: Field
  }
  const raw = (odd: Odd): Buffer => {
    const { mode = 0o100644, owner = 0, nsec = 0, xattrs, links } = odd
    const writer = new MsgpackWriter()
    const payload = 'payload' in odd ? odd.payload : [5, digest]
    writeField(writer, [mode, owner, 0, 1, nsec, xattrs, links, payload])
    return writer.finish()
  }
  const refuse = (what: string, odd: Odd) =>
    t.throws(() => decode(raw(odd)), { code: 'CORRUPT_OBJECT' }, what)
  t.equal(decode(raw({})).kind, 'file')
  refuse('unknown type', { mode: 0o150644 })
  refuse('a mode of 17 bits', { mode: 0o300644 })
  refuse('an owner of 33 bits', { owner: 2 ** 32 })
  refuse('nsec of a second', { nsec: 1_000_000_000 })
  refuse('xattrs out of order', { xattrs: ['b', '', 'a', ''] })
  refuse('an xattr twice', { xattrs: ['a', '', 'a', ''] })
  refuse('an xattr without a name', { xattrs: ['', ''] })
  refuse('a long name of an xattr', { xattrs: ['x'.repeat(256), ''] })
  refuse('a long xattr', { xattrs: ['a', 'x'.repeat(65537)] })
  refuse('a single hard link', { links: [1, 'g'.repeat(16)] })
  refuse('a short link group', { links: [2, 'x'] })
  const link = { mode: 0o120777 }
  refuse('an empty symlink', { ...link, payload: '' })
  refuse('a symlink with NUL', { ...link, payload: 'a\0b' })
  refuse('a symlink of 4096 bytes', { ...link, payload: 'x'.repeat(4096) })
  refuse('a device of 13 bits', { mode: 0o20666, payload: [4096, 0] })
  refuse('an empty extent', { payload: [0, digest] })
  refuse('a hole after a hole', { payload: [9, undefined, 9, undefined] })
  refuse('a chunk of 1 GiB', { payload: [2 ** 30, digest] })
  refuse('a size above 2^53', {
    payload: [Number.MAX_SAFE_INTEGER, undefined, 9, digest],
  })
  refuse('more data than size', { payload: [5, 6, digest] })
  refuse('65 extents', { payload: Array(65).fill([1, digest]).flat() as Field })
})

t.test('trees', async t => {
  const entries = [
    { name: 'a', object: file },
    { name: 'a.b', object: directory },
    { name: '\xff', object: file },
  ]
  const tree = Tree.decode(encodeTree(entries))
  t.same(tree.entries, entries)
  t.equal(tree.indexOf('a.b'), 1)
  t.equal(tree.get('\xff')?.name, '\xff')
  t.equal(tree.get('zzz'), undefined)
  t.equal(tree.objectDigest(0), digestOf(encode(file)))
  t.equal(tree.objectDigest(0), tree.objectDigest(2))
  t.throws(() => encodeTree([...entries].reverse()), RangeError)
  t.same(Tree.decode(encodeTree([])).entries, [])
  t.throws(() => Tree.decode(Buffer.from([0x91, 0xa1, 0x78])), {
    code: 'CORRUPT_OBJECT',
  })
})

t.test('names that no tree may hold', async t => {
  for (const name of ['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(256)]) {
    t.type(explainBadName(name), 'string', JSON.stringify(name))
    t.throws(() => encodeTree([{ name, object: file }]), RangeError)
    const writer = new MsgpackWriter()
    writer.array(3)
    writer.text('tree')
    writer.binary(name)
    encodeFsObject(writer, file)
    t.throws(() => Tree.decode(writer.view(0)), { code: 'CORRUPT_OBJECT' })
  }
  t.equal(explainBadName('...'), undefined)
  t.equal(explainBadName('x'.repeat(255)), undefined)
})

t.test('extent lists', async t => {
  const extents = Array.from({ length: 100 }, (_, i) => ({
    lengthBytes: i + 4096,
    chunk: i % 2 === 0 ? (digest as Digest | undefined) : undefined,
  }))
  t.same(decodeExtentList(encodeExtentList(extents)), extents)
  t.throws(() => decodeExtentList(encodeTree([])), { code: 'CORRUPT_OBJECT' })
  const hole = (lengthBytes: number) => ({ lengthBytes, chunk: undefined })
  const chunk = (lengthBytes: number) => ({ lengthBytes, chunk: digest })
  /** What a writer refuses is refused by a reader too. */
  const refused = (...bad: Extent[]) => {
    t.throws(() => encodeExtentList(bad), RangeError)
    const writer = new MsgpackWriter()
    writer.array(1 + bad.length * 2)
    writer.text('extents')
    for (const { lengthBytes, chunk: id } of bad) {
      writer.uint(lengthBytes)
      if (id === undefined) writer.nil()
      else writer.binary(id)
    }
    t.throws(() => decodeExtentList(writer.finish()), {
      code: 'CORRUPT_OBJECT',
    })
  }
  const taken = (...good: Extent[]) =>
    t.same(decodeExtentList(encodeExtentList(good)), good)
  taken(chunk(4096), chunk(1), hole(65536), chunk(1))
  taken(hole(4096), chunk(4096), hole(1))
  refused(chunk(1), chunk(4096))
  refused(chunk(4095), chunk(4096), hole(65536))
  refused(hole(1), chunk(4096))
})

t.test('commits', async t => {
  const commit: Commit = {
    root: directory,
    parents: [digest],
    timeSec: 1_700_000_000,
    subject: 'größe',
    body: 'line\nline',
    metadata: new Map([
      ['version', '1.0'],
      ['a', ''],
    ]),
    summary: {
      files: 1,
      directories: 2,
      others: 3,
      logicalBytes: 4,
      xattrNames: ['security.capability', 'user.x'],
    },
  }
  const bytes = encodeCommit(commit)
  t.same(decodeCommit(bytes), {
    ...commit,
    metadata: new Map([...commit.metadata].sort()),
  })
  t.same(encodeCommit(decodeCommit(bytes)), bytes)
  for (let i = 0; i < bytes.length; i++)
    t.throws(() => decodeCommit(bytes.subarray(0, i)), {
      code: 'CORRUPT_OBJECT',
    })
  const fileRoot = { ...commit, root: file as unknown as DirectoryObject }
  t.throws(() => decodeCommit(encodeCommit(fileRoot)), {
    code: 'CORRUPT_OBJECT',
  })
})
