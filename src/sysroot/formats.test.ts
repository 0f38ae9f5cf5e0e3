/**
 * The worked examples of the pages whose formats stand in folders above
 * `objects`; objects/formats.test.ts has the others. And what is newer than
 * this program is refused by its version.
 */

import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { crc32 } from '../bytes/crc32.ts'
import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { digestFromHex, digestOf } from '../objects/digest.ts'
import { readEvents } from '../store/event-log.ts'
import {
  decodeFrameHeader,
  decodeFramePlain,
  FRAME_HEADER_BYTES,
  decodeFrameTable,
} from '../store/frame.ts'
import { readGrafts } from '../store/grafts.ts'
import {
  decodeIndexHeader,
  decodeIndexPlace,
  decodePackNames,
} from '../store/index-format.ts'
import { createRepository, findRepository } from '../store/layout.ts'
import { decodeChecked, encodeChecked } from '../store/operation-log.ts'
import {
  decodePackFooter,
  decodePackHeader,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
} from '../store/pack-format.ts'
import { readRecordAt } from '../sysroot/deployment.ts'
import { readSysroot, sysrootPaths } from '../sysroot/sysroot.ts'
import { isWhole, StatCache } from '../tree/stat-cache.ts'

const COMMIT =
  '02c8d54ee6338f14e5b00d81acd275496769dbc0c451cb6259c79c9286906ccb'
const HELLO = Buffer.from('hello\n')

const page = (name: string): string =>
  readFileSync(resolve('docs/formats', `${name}.md`), 'utf8')

/** The example of a page in a block of `kind`, with a newline at its end. */
const example = (name: string, kind: string): string => {
  const block = new RegExp(`\`\`\`${kind}\\n([^\`]+)\`\`\``).exec(page(name))
  if (block === null) throw new Error(`no ${kind} example in ${name}.md`)
  return block[1] as string
}

const bytesOf = (name: string): Buffer =>
  Buffer.from(example(name, 'hex').replaceAll('\n', ''), 'hex')

const directory = (t: Test): string => {
  const made = mkdtempSync(join(tmpdir(), 'dendro-formats-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

t.test('every page has a worked example', async t => {
  const pages = readdirSync(resolve('docs/formats'))
  t.ok(pages.length >= 11)
  for (const name of pages)
    t.match(
      page(name.slice(0, -3)),
      /\n## Worked example\n[^#]*```[a-z]+\n/,
      name,
    )
})

t.test('pack', async t => {
  const bytes = bytesOf('pack')
  t.equal(decodePackHeader(bytes, 'pack'), 'data')
  const footer = decodePackFooter(bytes.subarray(-PACK_FOOTER_BYTES), 'pack')
  t.match(footer, { kind: 'data', frames: 1, objects: 1 })
  t.equal(footer.dataEnd, bytes.length - PACK_FOOTER_BYTES)
  t.equal(footer.checksum, crc32(bytes.subarray(0, footer.dataEnd)))
  const frame = bytes.subarray(PACK_HEADER_BYTES, footer.dataEnd)
  const header = decodeFrameHeader(frame, 0, 'frame')
  const table = decodeFrameTable(frame, FRAME_HEADER_BYTES, header, 'frame')
  t.match(table, [{ digest: digestOf(HELLO), lengthBytes: 6 }])
  t.same(Buffer.from(decodeFramePlain(frame, 'frame')), HELLO)
})

t.test('index', async t => {
  const bytes = bytesOf('index')
  const header = decodeIndexHeader(bytes, bytes.length, 'index')
  t.match(header, { entries: 1, packs: 1, fanoutBits: 4 })
  const packs = decodePackNames(bytes.subarray(header.packsOffset), 1)
  t.same(packs, ['00112233445566778899aabbccddeeff'])
  t.equal(
    bytes.toString('latin1', header.entriesOffset, header.entriesOffset + 32),
    digestOf(HELLO),
  )
  t.match(decodeIndexPlace(bytes, header.entriesOffset, packs), {
    frameOffset: PACK_HEADER_BYTES,
    frameBytes: bytesOf('pack').length - PACK_HEADER_BYTES - PACK_FOOTER_BYTES,
    offsetBytes: 0,
    lengthBytes: 6,
  })
})

t.test('stat cache', async t => {
  const bytes = bytesOf('stat-cache')
  t.ok(isWhole(bytes))
  const head = new MsgpackReader(bytes, 'stat cache')
  t.equal(head.text(32), 'stat-cache-4')
  t.equal(head.text(64), 'an origin')
  t.equal(head.binary(32), digestFromHex(COMMIT))
  t.equal(head.text(64), 'exact')
  t.equal(head.binary(64), '/srv/tree')

  const repository = join(directory(t), 'repo')
  createRepository(repository)
  const { paths } = findRepository(repository)
  const load = (): StatCache =>
    StatCache.load(paths.cache, '/srv/tree', { id: 'an origin', device: '' })
  const digest = Buffer.from(digestOf(Buffer.from('/srv/tree')), 'latin1')
  mkdirSync(join(repository, 'cache'), { recursive: true })
  const file = join(
    repository,
    'cache',
    `stat-${digest.toString('hex').slice(0, 32)}`,
  )
  writeFileSync(file, bytes)
  t.equal(load().commitUnder('exact'), digestFromHex(COMMIT))
  const status = {
    dev: 65024,
    inoHigh: 0,
    inoLow: 12,
    sizeBytes: 6,
    mtimeSec: 1_700_000_000,
    mtimeNsec: 5,
    ctimeSec: 1_700_000_001,
    ctimeNsec: 6,
  } as never
  t.match(load().directory('/srv/tree').find('hello', status), {
    kind: 'file',
    content: [{ lengthBytes: 6, chunk: digestOf(HELLO) }],
  })
  // A newer one is not read.
  const newer = Buffer.from(bytes)
  newer.write('5', newer.indexOf('stat-cache-4') + 11)
  newer.writeUInt32LE(crc32(newer.subarray(0, -4)), newer.length - 4)
  writeFileSync(file, newer)
  t.ok(load().isEmpty)
})

t.test('repository', async t => {
  const root = join(directory(t), 'repo')
  createRepository(root)
  const config = example('repository', 'json')
  writeFileSync(join(root, 'config.json'), config)
  writeFileSync(join(root, 'grafts'), example('repository', 'grafts'))
  const found = findRepository(root)
  t.equal(found.config.id, 'c9bd98fb-9066-463a-9813-c70d17203bf7')
  t.same([...readGrafts(found.paths)], [[digestFromHex(COMMIT), undefined]])
  writeFileSync(
    join(root, 'config.json'),
    config.replace('"version": 1', '"version": 2'),
  )
  t.throws(() => findRepository(root), {
    code: 'FUTURE_FORMAT',
    message: /version 2, this program knows 1/,
  })
})

t.test('packs and indexes of a newer version are told by it', async t => {
  const header = bytesOf('pack')
  header.writeUInt32LE(2, 8)
  const version = /version 2, this program knows 1/
  t.throws(() => decodePackHeader(header, 'p'), { message: version })
  const index = bytesOf('index')
  index.writeUInt32LE(2, 8)
  t.throws(() => decodeIndexHeader(index, index.length, 'i'), {
    message: version,
  })
})

t.test('operations and events', async t => {
  const text = decodeChecked(Buffer.from(example('operations', 'operation')))
  t.match(JSON.parse(text ?? ''), {
    number: 1,
    sequence: 1,
    kind: 'ref',
    before: null,
    after: COMMIT,
  })
  t.equal(decodeChecked(Buffer.from(example('operations', 'sequence'))), '1')
  const file = join(directory(t), 'events')
  writeFileSync(file, example('events', 'events'))
  t.match(readEvents(file), [
    { type: 'prune', commits: 2, freedBytes: 4096 },
    { type: 'server-died', status: 139, deaths: 1 },
  ])
})

t.test('sysroot', async t => {
  const root = directory(t)
  const paths = sysrootPaths(root)
  mkdirSync(paths.boot, { recursive: true })
  const state = example('sysroot', 'state')
  const file = join(paths.boot, 'state.json')
  writeFileSync(file, state)
  t.match(readSysroot(paths), {
    serial: 1,
    deployments: [{ os: 'test', commit: COMMIT, serial: 0, isPinned: false }],
  })
  const newer = state.slice(9, -1).replace('"version":1', '"version":2')
  writeFileSync(file, encodeChecked(newer))
  t.throws(() => readSysroot(paths), {
    code: 'FUTURE_FORMAT',
    message: /version is 2, this program knows 1/,
  })
  writeFileSync(join(root, 'deployment.json'), example('sysroot', 'json'))
  t.match(readRecordAt(root, 'd'), { origin: 'os/test', version: '1.0' })
})
