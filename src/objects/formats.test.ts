/** The worked examples of docs/formats are decoded, so the pages cannot rot. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Packr } from 'msgpackr'
import t from 'tap'
import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { decodeCommit } from './commit.ts'
import { digestOf, digestToHex } from './digest.ts'
import { decodeExtentList } from './extents.ts'
import { decodeFsObject } from './fs-object.ts'
import { Tree } from './tree.ts'

const example = (page: string): { bytes: Buffer; digest: string } => {
  const text = readFileSync(resolve('docs/formats', `${page}.md`), 'utf8')
  const hex = /```hex\n([0-9a-f\n]+)```/.exec(text)?.[1] ?? ''
  const digest = /^Digest: `([0-9a-f]{64})`$/m.exec(text)?.[1] ?? ''
  return { bytes: Buffer.from(hex.replaceAll('\n', ''), 'hex'), digest }
}

t.test('each example has the digest that its page gives', async t => {
  for (const page of ['file-object', 'extent-list', 'tree', 'commit']) {
    const { bytes, digest } = example(page)
    t.ok(bytes.length > 40, page)
    t.equal(digestToHex(digestOf(bytes)), digest, page)
  }
})

t.test('msgpackr reads what is written, and writes the same', async t => {
  const packr = new Packr({ useRecords: false, variableMapSize: true })
  for (const page of ['file-object', 'extent-list', 'tree', 'commit']) {
    const { bytes } = example(page)
    t.same(packr.pack(packr.unpack(bytes)), bytes, page)
  }
})

t.test('the examples say what their pages say', async t => {
  const file = decodeFsObject(
    new MsgpackReader(example('file-object').bytes, 'f'),
  )
  const chunk = digestOf(Buffer.from('hello\n'))
  t.match(file, {
    kind: 'file',
    mode: 0o100644,
    mtimeSec: 1_700_000_000,
    mtimeNsec: 5,
    sizeBytes: 6,
    content: [{ lengthBytes: 6, chunk }],
  })
  const tree = Tree.decode(example('tree').bytes)
  t.same(
    tree.entries.map(entry => entry.name),
    ['hello', 'link'],
  )
  t.same(tree.get('hello')?.object, file)
  t.match(tree.get('link')?.object, { kind: 'symlink', target: 'hello' })
  const commit = decodeCommit(example('commit').bytes)
  t.equal(digestToHex(commit.root.tree), example('tree').digest)
  t.equal(commit.metadata.get('version'), '1.0')
  t.same(decodeExtentList(example('extent-list').bytes), [
    { lengthBytes: 6, chunk },
    { lengthBytes: 65_536, chunk: undefined },
  ])
})
