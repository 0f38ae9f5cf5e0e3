/**
 * Bytes that an enemy or a broken disk made: each decoder refuses them with the
 * project's error and nothing else, and allocates by no length it did not check.
 *
 * `must-fail/` holds one input for each defect, named after it. The fuzz runs
 * for FUZZ_SECONDS (8) on mutations of those and of whole objects; an input
 * that it finds is printed in hex, to be kept there.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { DendroError } from '../errors.ts'
import { decodeCommit, encodeCommit } from '../objects/commit.ts'
import { digestOf } from '../objects/digest.ts'
import { decodeExtentList, encodeExtentList } from '../objects/extents.ts'
import { decodeFsObject } from '../objects/fs-object.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import { encodeTree, Tree } from '../objects/tree.ts'
import {
  decodeFrameHeader,
  decodeFramePlain,
  decodeFrameTable,
  encodeFrame,
  FRAME_HEADER_BYTES,
  tableBytes,
  writeTableEntry,
} from '../store/frame.ts'
import {
  decodeIndexHeader,
  encodeIndex,
  INDEX_HEADER_BYTES,
} from '../store/index-format.ts'
import type { IndexEntry } from '../store/index-format.ts'
import {
  decodePackFooter,
  decodePackHeader,
  encodePackFooter,
  encodePackHeader,
} from '../store/pack-format.ts'
import { MIB } from '../units.ts'

const decodeFrame = (bytes: Buffer): void => {
  const header = decodeFrameHeader(bytes, 0, 'frame')
  decodeFramePlain(bytes, 'frame')
  decodeFrameTable(bytes, FRAME_HEADER_BYTES, header, 'frame')
}

/** By the first words of a fixture's name. */
const DECODERS: readonly (readonly [string, (bytes: Buffer) => unknown])[] = [
  ['tree', bytes => Tree.decode(bytes)],
  ['extents', decodeExtentList],
  ['commit', decodeCommit],
  ['frame', decodeFrame],
  ['pack-header', bytes => decodePackHeader(bytes, 'pack')],
  ['pack-footer', bytes => decodePackFooter(bytes, 'pack')],
  ['index', bytes => decodeIndexHeader(bytes, bytes.length, 'index')],
  ['object', bytes => decodeFsObject(new MsgpackReader(bytes, 'object'))],
]

const decoderOf = (name: string) => {
  const found = DECODERS.find(([prefix]) => name.startsWith(prefix))
  if (found === undefined) throw new Error(`no decoder for ${name}`)
  return found[1]
}

const corpus = new Map(
  readdirSync(resolve('src/upkeep/must-fail')).map(file => {
    const text = readFileSync(resolve('src/upkeep/must-fail', file), 'utf8')
    const bytes = Buffer.from(text.replaceAll('\n', ''), 'hex')
    return [file.replace(/\.hex$/, ''), bytes]
  }),
)

t.test('each defect is refused, without allocating for it', async t => {
  for (const [name, bytes] of corpus) {
    const before = process.memoryUsage().arrayBuffers
    try {
      decoderOf(name)(bytes)
      t.fail(`${name} is accepted`)
    } catch (error) {
      t.ok(error instanceof DendroError, `${name}: ${String(error)}`)
    }
    const more = process.memoryUsage().arrayBuffers - before
    if (more > 16 * MIB) t.fail(`${name} allocates ${more} bytes`)
  }
  t.ok(corpus.size > 50)
})

const chunk = digestOf(Buffer.from('chunk'))

/** One of each kind; the first is the directory. */
const wholeObjects = (): [DirectoryObject, ...FsObject[]] => {
  const metadata = {
    uid: 5,
    gid: 100_000,
    mtimeSec: -5,
    mtimeNsec: 999_999_999,
    xattrs: [{ name: 'user.a', value: 'b' }],
  }
  const directory: DirectoryObject = {
    kind: 'directory',
    ...metadata,
    mode: 0o40755,
    tree: chunk,
    subdirectories: 3,
  }
  return [
    directory,
    {
      kind: 'file',
      ...metadata,
      mode: 0o100644,
      links: { nlink: 2, group: 'g'.repeat(16) },
      sizeBytes: 100_005,
      dataBytes: 5,
      content: [
        { lengthBytes: 5, chunk },
        { lengthBytes: 100_000, chunk: undefined },
      ],
    },
    {
      kind: 'symlink',
      ...metadata,
      mode: 0o120777,
      links: undefined,
      target: 'to',
    },
    {
      kind: 'char',
      ...metadata,
      mode: 0o20666,
      links: undefined,
      major: 1,
      minor: 3,
    },
  ]
}

const oneEntry: IndexEntry = {
  digest: chunk,
  pack: 'ab'.repeat(16),
  frameOffset: 32,
  frameBytes: 10,
  offsetBytes: 0,
  lengthBytes: 5,
}

const whole = (): Map<string, Buffer> => {
  const objects = wholeObjects()
  const [directory] = objects
  const plain = Buffer.from('some plain text, some plain text, and more of it')
  const table = Buffer.alloc(tableBytes(1))
  writeTableEntry(table, 0, digestOf(plain), plain.length)
  return new Map([
    [
      'tree',
      encodeTree(
        objects.map((object, i) => ({ name: `n${i}`, object })),
        new MsgpackWriter(),
      ),
    ],
    [
      'extents',
      encodeExtentList([
        { lengthBytes: 5, chunk },
        { lengthBytes: 70_000, chunk: undefined },
      ]),
    ],
    [
      'commit',
      encodeCommit({
        root: directory,
        parents: [chunk],
        timeSec: 1,
        subject: 'a subject',
        body: 'and a body',
        metadata: new Map([['version', '1']]),
        summary: {
          files: 1,
          directories: 2,
          others: 3,
          logicalBytes: 2 ** 40,
          xattrNames: ['user.a'],
        },
      }),
    ],
    ['frame', encodeFrame({ table, plain })],
    ['pack-header', encodePackHeader('meta')],
    [
      'pack-footer',
      encodePackFooter({
        kind: 'data',
        frames: 1,
        objects: 1,
        dataEnd: 100,
        checksum: 5,
      }),
    ],
    ['index', encodeIndex([oneEntry])],
  ])
}

t.test('whole objects are accepted', async t => {
  for (const [name, bytes] of whole())
    t.doesNotThrow(() => decoderOf(name)(bytes), name)
  t.ok(INDEX_HEADER_BYTES === 64)
})

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? '8')
t.setTimeout((SECONDS + 60) * 1000)
const INTERESTING = [0, 1, 0x7f, 0x80, 0xc0, 0xc4, 0xc6, 0xdd, 0xdf, 0xff]

t.test(`mutations are refused or accepted, for ${SECONDS} s`, async t => {
  const seed = Date.now() >>> 0
  t.comment(`seed ${seed}`)
  let state = seed
  const random = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  const seeds = [...whole(), ...corpus].filter(([, b]) => b.length < 3000)
  const mutate = (bytes: Buffer): Buffer => {
    let next = Buffer.from(bytes)
    for (let i = random(4); i >= 0; i--) {
      const at = random(next.length + 1)
      const kind = random(6)
      if (kind === 0) next = next.subarray(0, at)
      else if (kind === 1)
        next = Buffer.concat([
          next.subarray(0, at),
          next.subarray(random(at + 1)),
        ])
      else if (kind === 2 && next.length >= at + 4)
        next.writeUInt32LE(random(2) === 0 ? 0xffffffff : random(2 ** 32), at)
      else if (kind === 3)
        next = Buffer.concat([
          next.subarray(0, at),
          Buffer.from([INTERESTING[random(INTERESTING.length)] as number]),
          next.subarray(at),
        ])
      else if (at < next.length)
        next[at] =
          kind === 4
            ? (next[at] as number) ^ (1 << random(8))
            : (INTERESTING[random(INTERESTING.length)] as number)
    }
    return next
  }
  const until = Date.now() + SECONDS * 1000
  let runs = 0
  let accepted = 0
  const before = process.memoryUsage().rss
  while (Date.now() < until)
    for (let i = 0; i < 500; i++) {
      const [name, bytes] = seeds[random(seeds.length)] as [string, Buffer]
      const input = mutate(bytes)
      runs++
      try {
        decoderOf(name)(input)
        accepted++
      } catch (error) {
        if (!(error instanceof DendroError))
          t.fail(`${name} ${input.toString('hex')}: ${String(error)}`)
      }
    }
  t.ok(runs > 5000, `${runs} inputs, ${accepted} of them accepted`)
  const more = process.memoryUsage().rss - before
  t.ok(more < 400 * MIB, `${more} bytes more are resident`)
})
