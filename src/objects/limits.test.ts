/**
 * What is beyond a limit is refused when it is made, and what is made can be
 * read: at each limit, one past it, and for values in between.
 */

import t from 'tap'
import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { DendroError } from '../errors.ts'
import { decodeCommit, encodeCommit } from './commit.ts'
import type { Commit } from './commit.ts'
import { digestOf } from './digest.ts'
import { decodeExtentList, encodeExtentList } from './extents.ts'
import type { Extent } from './extents.ts'
import { decodeFsObject, encodeFsObject } from './fs-object.ts'
import type {
  DeviceObject,
  DirectoryObject,
  FileObject,
  FsObject,
  SymlinkObject,
} from './fs-object.ts'
import * as limits from './limits.ts'
import {
  checkTreeBytes,
  checkTreeEntries,
  encodeTree,
  visitTree,
} from './tree.ts'

const digest = digestOf(Buffer.from('chunk'))
const metadata = { uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, xattrs: [] }
const plain = { ...metadata, links: undefined }
const file: FileObject = {
  kind: 'file',
  mode: 0o100644,
  ...plain,
  sizeBytes: 0,
  dataBytes: 0,
  content: [],
}
const symlink: SymlinkObject = {
  kind: 'symlink',
  mode: 0o120777,
  ...plain,
  target: 'to',
}
const device: DeviceObject = {
  kind: 'char',
  mode: 0o20666,
  ...plain,
  major: 1,
  minor: 3,
}
const directory: DirectoryObject = {
  kind: 'directory',
  mode: 0o40755,
  ...metadata,
  tree: digest,
  subdirectories: 0,
}
const commit: Commit = {
  root: directory,
  parents: [],
  timeSec: 0,
  subject: '',
  body: '',
  metadata: new Map(),
  summary: {
    files: 0,
    directories: 0,
    others: 0,
    logicalBytes: 0,
    xattrNames: [],
  },
}

const numbered = <T>(count: number, make: (name: string) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(String(i).padStart(9, '0')))

/** Chunks of a byte with holes between them. */
const holes = (count: number, holeBytes = 1): Extent[] =>
  Array.from({ length: count }, (_, i) =>
    i % 2 === 0
      ? { lengthBytes: 1, chunk: digest }
      : { lengthBytes: holeBytes, chunk: undefined },
  )

const roundTrip = (object: FsObject): FsObject => {
  const writer = new MsgpackWriter()
  encodeFsObject(writer, object)
  const reader = new MsgpackReader(writer.view(0), 'object')
  const decoded = decodeFsObject(reader)
  reader.expectEnd()
  return decoded
}

const { MAX_SAFE_INTEGER } = Number

/** A limit, what makes a value of that size, and what writes and reads it. */
type Case = readonly [
  what: string,
  max: number,
  make: (size: number) => unknown,
]

const OBJECTS: readonly Case[] = [
  ['uid', limits.MAX_ID, uid => ({ ...file, uid })],
  ['gid', limits.MAX_ID, gid => ({ ...file, gid })],
  ['mtime', MAX_SAFE_INTEGER, mtimeSec => ({ ...file, mtimeSec })],
  ['mtime before 1970', MAX_SAFE_INTEGER, s => ({ ...file, mtimeSec: -s })],
  ['nanoseconds', limits.MAX_NSEC, mtimeNsec => ({ ...file, mtimeNsec })],
  [
    'xattrs',
    limits.MAX_XATTRS,
    count => ({
      ...file,
      xattrs: numbered(count, name => ({ name, value: '' })),
    }),
  ],
  [
    'the name of an xattr',
    limits.MAX_XATTR_NAME_BYTES,
    size => ({ ...file, xattrs: [{ name: 'x'.repeat(size), value: '' }] }),
  ],
  [
    'an xattr',
    limits.MAX_XATTR_VALUE_BYTES,
    size => ({ ...file, xattrs: [{ name: 'x', value: 'x'.repeat(size) }] }),
  ],
  [
    'hard links',
    limits.MAX_NLINK,
    nlink => ({ ...file, links: { nlink, group: 'g'.repeat(16) } }),
  ],
  [
    'size',
    MAX_SAFE_INTEGER,
    sizeBytes => ({ ...file, sizeBytes, content: digest }),
  ],
  [
    'size of a hole',
    MAX_SAFE_INTEGER,
    lengthBytes => ({
      ...file,
      sizeBytes: lengthBytes,
      content: [{ lengthBytes, chunk: undefined }],
    }),
  ],
  [
    'extents beside the file',
    limits.MAX_INLINE_EXTENTS,
    count => ({
      ...file,
      sizeBytes: count,
      dataBytes: Math.ceil(count / 2),
      content: holes(count),
    }),
  ],
  [
    'target',
    limits.MAX_TARGET_BYTES,
    size => ({ ...symlink, target: 't'.repeat(size) }),
  ],
  ['major', limits.MAX_DEVICE_MAJOR, major => ({ ...device, major })],
  ['minor', limits.MAX_DEVICE_MINOR, minor => ({ ...device, minor })],
  [
    'subdirectories',
    limits.MAX_NLINK - 2,
    subdirectories => ({ ...directory, subdirectories }),
  ],
]

const refused = { code: 'LIMIT_EXCEEDED' }

t.test('an object at a limit is read as it was, one past it refused', t => {
  for (const [what, max, make] of OBJECTS) {
    const object = make(max) as FsObject
    t.same(roundTrip(object), object, what)
    t.throws(() => roundTrip(make(max + 1) as FsObject), refused, what)
  }
  t.throws(() => roundTrip({ ...symlink, target: '' }), refused)
  t.end()
})

t.test('of what no file system gives nothing is written', t => {
  const odd: readonly FsObject[] = [
    { ...file, mode: 0o40755 },
    { ...file, mode: 0o300644 },
    { ...file, links: { nlink: 1, group: 'g'.repeat(16) } },
    { ...file, links: { nlink: 2, group: 'g' } },
    { ...file, xattrs: [{ name: '', value: '' }] },
    { ...file, xattrs: [{ name: 'a\0', value: '' }] },
    { ...symlink, target: 'a\0b' },
    { ...file, content: [{ lengthBytes: 0, chunk: digest }] },
    { ...file, content: [{ lengthBytes: 2 ** 30, chunk: digest }] },
    { ...file, content: holes(2).map(e => ({ ...e, chunk: undefined })) },
  ]
  for (const object of odd) t.throws(() => roundTrip(object), RangeError)
  t.end()
})

t.test('directories and extent lists', t => {
  checkTreeEntries(limits.MAX_TREE_ENTRIES)
  t.throws(() => checkTreeEntries(limits.MAX_TREE_ENTRIES + 1), refused)
  checkTreeBytes(limits.MAX_OBJECT_BYTES)
  t.throws(() => checkTreeBytes(limits.MAX_OBJECT_BYTES + 1), refused)
  const names = numbered(70_000, name => ({ name, object: file }))
  const seen: string[] = []
  visitTree(encodeTree(names), name => seen.push(name))
  t.same(
    seen,
    names.map(({ name }) => name),
  )
  const value = 'x'.repeat(limits.MAX_XATTR_VALUE_BYTES)
  const large = { ...file, xattrs: [{ name: 'x', value }] }
  const count = limits.MAX_OBJECT_BYTES / limits.MAX_XATTR_VALUE_BYTES
  const writer = new MsgpackWriter(1 << 20)
  t.throws(
    () =>
      encodeTree(
        numbered(count, name => ({ name, object: large })),
        writer,
      ),
    refused,
    'it is refused as soon as it is too large',
  )
  const few = holes(1000, limits.MIN_LISTED_EXTENT_BYTES)
  t.same(decodeExtentList(encodeExtentList(few)), few)
  const short = holes(1000, limits.MIN_LISTED_EXTENT_BYTES - 1)
  t.throws(() => encodeExtentList(short), RangeError, 'short holes')
  const one = few[0] as Extent
  t.throws(() => encodeExtentList([one, one]), RangeError, 'short chunks')
  t.same(decodeExtentList(encodeExtentList([one])), [one])
  const many = Array<Extent>(limits.MAX_EXTENTS + 1).fill(one)
  t.throws(() => encodeExtentList(many), refused)
  t.end()
})

const COMMITS: readonly Case[] = [
  ['parents', limits.MAX_PARENTS, n => ({ parents: Array(n).fill(digest) })],
  ['date', MAX_SAFE_INTEGER, timeSec => ({ timeSec })],
  ['subject', limits.MAX_SUBJECT_BYTES, n => ({ subject: 's'.repeat(n) })],
  ['body', limits.MAX_BODY_BYTES, n => ({ body: 's'.repeat(n) })],
  [
    'keys',
    limits.MAX_METADATA_ENTRIES,
    n => ({ metadata: new Map(numbered(n, key => [key, ''])) }),
  ],
  [
    'a key',
    limits.MAX_METADATA_KEY_BYTES,
    n => ({ metadata: new Map([['k'.repeat(n), '']]) }),
  ],
  [
    'a value',
    limits.MAX_METADATA_VALUE_BYTES,
    n => ({ metadata: new Map([['version', 'v'.repeat(n)]]) }),
  ],
  [
    'bytes of all files',
    MAX_SAFE_INTEGER,
    logicalBytes => ({ summary: { ...commit.summary, logicalBytes } }),
  ],
  [
    'names of xattrs',
    limits.MAX_SUMMARY_XATTR_NAMES,
    n => ({ summary: { ...commit.summary, xattrNames: numbered(n, s => s) } }),
  ],
  [
    'a name of an xattr',
    limits.MAX_XATTR_NAME_BYTES,
    n => ({ summary: { ...commit.summary, xattrNames: ['x'.repeat(n)] } }),
  ],
]

t.test('a commit at a limit is read as it was, one past it refused', t => {
  for (const [what, max, make] of COMMITS) {
    const made: Commit = { ...commit, ...(make(max) as object) }
    t.same(decodeCommit(encodeCommit(made)), made, what)
    const past: Commit = { ...commit, ...(make(max + 1) as object) }
    t.throws(() => encodeCommit(past), refused, what)
  }
  const value = 'v'.repeat(limits.MAX_METADATA_VALUE_BYTES)
  const xattrs = numbered(1100, name => ({ name, value }))
  const keys = numbered(1023, key => [key, value] as const)
  const huge = {
    ...commit,
    root: { ...directory, xattrs },
    metadata: new Map(keys),
  }
  t.throws(() => encodeCommit(huge), refused)
  t.end()
})

t.test('whatever is encoded is decoded, however odd', t => {
  let state = 1
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const near = [...OBJECTS].map(([, max, make]) => ({ max, make }))
  const steps = [-2, -1, 0, 1, 2, 1000]
  let accepted = 0
  for (let round = 0; round < 2000; round++) {
    const { max, make } = near[random(near.length)] as (typeof near)[number]
    if (max === limits.MAX_XATTRS && round % 50 !== 0) continue
    const size = Math.max(0, max + (steps[random(steps.length)] as number))
    const object = make(random(4) === 0 ? random(size) : size) as FsObject
    try {
      t.same(roundTrip(object), object)
      accepted++
    } catch (error) {
      const isRefused =
        error instanceof RangeError ||
        (error instanceof DendroError && error.code === 'LIMIT_EXCEEDED')
      if (!isRefused) throw error
    }
  }
  t.ok(accepted > 500)
  t.end()
})
