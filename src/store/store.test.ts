import {
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { DendroError } from '../errors.ts'
import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { ByteCache } from './byte-cache.ts'
import {
  decodeFrameHeader,
  decodeFramePlain,
  encodeFrame,
  tableBytes,
  writeTableEntry,
} from './frame.ts'
import {
  decodeIndexHeader,
  encodeIndex,
  INDEX_HEADER_BYTES,
} from './index-format.ts'
import { IndexFile } from './index-file.ts'
import { decodePackFooter, PACK_FOOTER_BYTES } from './pack-format.ts'
import { Repository } from './repository.ts'
import { repositoryStatistics } from './statistics.ts'
import { loadZstd } from './zstd.ts'

const numbered = (i: number, length = 50): Buffer =>
  Buffer.alloc(length, `object ${i};`)

const store = async (
  repository: Repository,
  objects: readonly Buffer[],
): Promise<Digest[]> => {
  const writer = await repository.beginWrite()
  try {
    const ids = objects.map(bytes => writer.add('data', bytes))
    await repository.publish(await writer.finish(), () => undefined)
    return ids
  } finally {
    await writer.close()
  }
}

t.test('zstd, by each implementation that is here', async t => {
  const plain = Buffer.alloc(100_000, 'compress me ')
  for (const name of ['addon', 'zlib'] as const) {
    const zstd = loadZstd(name)
    if (zstd === undefined) {
      t.comment(`${name} is not available on ${process.version}`)
      continue
    }
    const target = Buffer.alloc(110_000, 7)
    const length = zstd.compressInto(plain, target, 5, 3)
    t.ok(length > 0 && length < 1000)
    const stored = target.subarray(5, 5 + length)
    t.equal(target[4], 7)
    t.equal(zstd.compressInto(randomBytes(900), Buffer.alloc(2000), 5, 3), 0)
    t.ok(zstd.decompress(stored, plain.length).equals(plain))
    t.throws(
      () => zstd.decompress(stored, plain.length - 1),
      'a bomb stops at its declared length',
    )
    t.throws(() => zstd.decompress(stored, plain.length + 1))
    t.throws(() => zstd.decompress(Buffer.from('rubbish'), 10))
  }
})

t.test('frames', async t => {
  const frameOf = (plain: Buffer): Buffer => {
    const table = Buffer.alloc(tableBytes(1))
    writeTableEntry(table, 0, digestOf(plain), plain.length)
    return encodeFrame({ table, plain })
  }
  const frame = frameOf(numbered(1, 5000))
  t.ok(decodeFramePlain(frame, 'test').equals(numbered(1, 5000)))
  t.equal(decodeFrameHeader(frame, 0, 'test').codec, 1)
  const tiny = frameOf(Buffer.from([1, 2, 3]))
  t.equal(
    decodeFrameHeader(tiny, 0, 'test').codec,
    0,
    'what does not shrink is stored plain',
  )
  t.same([...decodeFramePlain(tiny, 'test')], [1, 2, 3])
  let served = 0
  for (let at = 0; at < frame.length; at++) {
    if (at >= 24 && at < 32) continue // reserved
    const damaged = Buffer.from(frame)
    damaged[at] = (damaged[at] as number) ^ 4
    try {
      decodeFramePlain(damaged, 'test')
      if (at >= 32) served++
    } catch (error) {
      if (!(error instanceof DendroError) || error.code !== 'CORRUPT_PACK')
        served++
    }
  }
  t.equal(served, 0, 'no flipped bit is served')
})

t.test('a reader that reuses its buffers reads the same', async t => {
  const path = join(t.testdir(), 'repo')
  const writer = Repository.create(path)
  // Frames of many small objects, of incompressible ones, and larger than a slot.
  const objects = [
    ...Array.from({ length: 3000 }, (_, i) => numbered(i, 200 + (i % 900))),
    ...Array.from({ length: 20 }, (_, i) => {
      const bytes = Buffer.alloc(100_000)
      for (let at = 0; at < bytes.length; at++)
        bytes[at] = (Math.imul(at + i * 7919, 2654435761) >>> 13) & 255
      return bytes
    }),
    numbered(9999, 2_000_000),
  ]
  const ids = await store(writer, objects)
  writer.close()
  const repository = Repository.open(path, {
    frameCacheBytes: 600_000,
    reusesBuffers: true,
  })
  t.teardown(() => repository.close())
  const lease = repository.lease()
  let slots = new Set<ArrayBufferLike>()
  for (let round = 0; round < 3; round++) {
    slots = new Set()
    for (let i = 0; i < objects.length; i++) {
      // Back and forth, so that frames leave the cache and come again.
      const at = i % 2 === 0 ? i : objects.length - i
      lease.end()
      const bytes = lease.read(ids[at] as Digest)
      if (!bytes.equals(objects[at] as Buffer)) t.fail(`object ${at}`)
      slots.add(bytes.buffer)
    }
  }
  t.ok(slots.size < 20, `${slots.size} buffers served all of it`)
})

t.test('objects are stored once and read back', async t => {
  const repository = Repository.create(join(t.testdir(), 'repo'))
  t.teardown(() => repository.close())
  const objects = Array.from({ length: 2000 }, (_, i) => numbered(i, 1 + i))
  const ids = await store(repository, objects)
  objects.forEach((bytes, i) => {
    if (
      !repository
        .lease()
        .read(ids[i] as Digest)
        .equals(bytes)
    )
      t.fail(`object ${i}`)
  })
  const before = repositoryStatistics(repository)
  await store(repository, objects)
  t.same(
    repositoryStatistics(repository),
    before,
    'a second time stores nothing',
  )
  t.equal(before.objects, 2000)
  t.ok(before.storedBytes < before.uniqueBytes)
  t.throws(() => repository.lease().read(digestOf(Buffer.from('absent'))), {
    code: 'MISSING_OBJECT',
  })
  t.notOk(repository.has(digestOf(Buffer.from('absent'))))
})

t.test(
  'many publications leave few indexes, and every object is found',
  async t => {
    const repository = Repository.create(join(t.testdir(), 'repo'))
    t.teardown(() => repository.close())
    const ids: Digest[] = []
    for (let i = 0; i < 40; i++)
      ids.push(...(await store(repository, [numbered(i), numbered(i + 1000)])))
    t.ok(
      repository.indexes.files.length < 8,
      `${repository.indexes.files.length} indexes`,
    )
    t.ok(ids.every(id => repository.has(id)))
    const other = Repository.open(repository.paths.root)
    t.teardown(() => other.close())
    t.ok(ids.every(id => other.lease().read(id).length === 50))
  },
)

t.test('a reader sees what another process published meanwhile', async t => {
  const writer = Repository.create(join(t.testdir(), 'repo'))
  const reader = Repository.open(writer.paths.root)
  t.teardown(() => (writer.close(), reader.close()))
  const [id] = (await store(writer, [numbered(7)])) as [Digest]
  t.ok(reader.lease().read(id).equals(numbered(7)))
})

t.test('an abandoned write leaves nothing', async t => {
  const repository = Repository.create(join(t.testdir(), 'repo'))
  t.teardown(() => repository.close())
  const writer = await repository.beginWrite()
  writer.add('data', numbered(1, 600_000))
  await writer.close()
  t.same(readdirSync(repository.paths.temporary.path), [])
  t.same(readdirSync(repository.paths.packs.path), [])
})

t.test(
  'an index finds all, opens by its header, and refuses damage',
  async t => {
    const directory = t.testdir()
    const entries = Array.from({ length: 5000 }, (_, i) => ({
      digest: digestOf(Buffer.from(String(i))),
      pack: (i % 3).toString(16).padStart(32, '0'),
      frameOffset: i * 1000,
      frameBytes: 500,
      offsetBytes: i,
      lengthBytes: 1,
    }))
    const bytes = encodeIndex([...entries, ...entries.slice(0, 10)])
    const path = join(directory, 'x.idx')
    writeFileSync(path, bytes)
    const file = IndexFile.open(path)
    t.equal(file.entries, 5000)
    for (const { digest, ...place } of entries) t.same(file.find(digest), place)
    t.equal(file.find(digestOf(Buffer.from('absent'))), undefined)
    t.equal(file.readAll().length, 5000)
    file.close()
    for (let at = 0; at < 32; at++) {
      const damaged = Buffer.from(bytes.subarray(0, INDEX_HEADER_BYTES))
      damaged[at] = (damaged[at] as number) ^ 1
      t.throws(
        () => decodeIndexHeader(damaged, bytes.length, 'x'),
        { code: 'CORRUPT_INDEX' },
        `byte ${at}`,
      )
    }
    const damaged = Buffer.from(bytes)
    damaged[bytes.length - 1] = 99
    writeFileSync(path, damaged)
    const bad = IndexFile.open(path)
    t.throws(() => bad.readAll(), { code: 'CORRUPT_INDEX' })
    bad.close()
    truncateSync(path, 1000)
    t.throws(() => IndexFile.open(path), { code: 'CORRUPT_INDEX' })
  },
)

t.test('a pack ends with a footer that says what it holds', async t => {
  const repository = Repository.create(join(t.testdir(), 'repo'))
  t.teardown(() => repository.close())
  await store(repository, [numbered(1), numbered(2)])
  const packs = repository.paths.packs.path
  const path = join(packs, readdirSync(packs)[0] as string)
  const bytes = readFileSync(path)
  const footer = decodePackFooter(
    bytes.subarray(bytes.length - PACK_FOOTER_BYTES),
    path,
  )
  t.match(footer, {
    kind: 'data',
    frames: 1,
    objects: 2,
    dataEnd: statSync(path).size - PACK_FOOTER_BYTES,
  })
  t.throws(() => decodePackFooter(bytes.subarray(0, PACK_FOOTER_BYTES), path), {
    code: 'CORRUPT_PACK',
  })
})

t.test(
  'a cache keeps to its bytes, and the value used last whatever its size',
  async t => {
    const cache = new ByteCache<{ bytes: number }>(100, value => value.bytes)
    for (const n of [1, 2, 3]) cache.set(String(n), { bytes: 40 })
    t.same(
      ['1', '2', '3'].map(key => cache.get(key) !== undefined),
      [false, true, true],
    )
    cache.set('large', { bytes: 1000 })
    t.ok(cache.get('large'))
    t.ok(cache.get('3'), 'which does not displace the others')
    cache.set('larger', { bytes: 2000 })
    t.notOk(cache.get('large'))
    t.ok(cache.get('larger'))
    cache.clear()
    t.notOk(cache.get('larger'))
  },
)

t.test('directories that are no repository', async t => {
  const directory = t.testdir({ full: { file: '' } })
  t.throws(() => Repository.open(directory), { code: 'NOT_A_REPOSITORY' })
  t.throws(() => Repository.create(join(directory, 'full')), {
    code: 'TARGET_EXISTS',
  })
  Repository.create(join(directory, 'made')).close()
  t.throws(() => Repository.create(join(directory, 'made')), {
    code: 'REPOSITORY_EXISTS',
  })
})
