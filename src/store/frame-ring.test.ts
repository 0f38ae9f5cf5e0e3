import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { DendroError } from '../errors.ts'
import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { FRAME_TARGET_BYTES } from './frame.ts'
import type { FrameObject } from './frame.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { FrameRing, makeRingMemory, packKey } from './frame-ring.ts'
import { SEQUENTIAL } from './object-reader.ts'
import { Repository } from './repository.ts'

const KEY = packKey('0123456789abcdef'.repeat(4))

/** Fills a slot with objects one behind the other. */
const filler =
  (objects: readonly Buffer[]) =>
  (plain: Buffer): FrameObject[] => {
    let at = 0
    return objects.map(bytes => {
      bytes.copy(plain, at)
      const offsetBytes = at
      at += bytes.length
      return {
        digest: digestOf(bytes),
        offsetBytes,
        lengthBytes: bytes.length,
      }
    })
  }

const numbered = (i: number, length: number): Buffer =>
  Buffer.alloc(length, `object ${i};`)

t.test(
  'a slot is found by pack and offset, and its objects by digest',
  async t => {
    const ring = new FrameRing(makeRingMemory(4))
    const objects = [numbered(1, 100), Buffer.alloc(0), numbered(2, 9)]
    const far = 5 * 2 ** 32 + 77
    t.ok(ring.write(2, KEY, far, filler(objects)))
    t.equal(ring.pin(KEY, 77), -1, 'another offset')
    t.equal(ring.pin(packKey('f'.repeat(64)), far), -1, 'another pack')
    const slot = ring.pin(KEY, far)
    t.equal(slot, 2)
    const read = (bytes: Buffer, offset: number) =>
      ring.object(slot, digestOf(bytes), offset, bytes.length)
    t.ok(read(numbered(1, 100), 0)?.equals(numbered(1, 100)))
    t.ok(read(numbered(2, 9), 100)?.equals(numbered(2, 9)))
    t.equal(read(Buffer.alloc(0), 100)?.length, 0)
    t.equal(read(numbered(3, 9), 100), undefined, 'another digest')
    t.equal(read(numbered(1, 100), 1), undefined, 'another offset')
    t.equal(ring.object(-1, digestOf(numbered(1, 100)), 0, 100), undefined)
    ring.unpin(slot)
  },
)

t.test('a pinned slot is not written to', async t => {
  const ring = new FrameRing(makeRingMemory(2))
  ring.write(0, KEY, 10, filler([numbered(1, 50)]))
  const slot = ring.pin(KEY, 10)
  const bytes = ring.object(slot, digestOf(numbered(1, 50)), 0, 50) as Buffer
  const again = filler([numbered(2, 50)])
  t.notOk(ring.write(0, KEY, 20, again))
  t.ok(bytes.equals(numbered(1, 50)))
  t.equal(ring.pin(KEY, 20), -1)
  t.equal(ring.pin(KEY, 10), slot, 'twice pinned')
  ring.unpin(slot)
  t.notOk(ring.write(0, KEY, 20, again), 'once is enough')
  ring.unpin(slot)
  t.ok(ring.write(0, KEY, 20, again))
  t.equal(ring.pin(KEY, 10), -1)
})

t.test('a frame that was not filled is not there', async t => {
  const ring = new FrameRing(makeRingMemory(2))
  t.notOk(ring.write(0, KEY, 10, () => undefined))
  t.equal(ring.pin(KEY, 10), -1)
  t.throws(() =>
    ring.write(1, KEY, 30, () => {
      throw new Error('damage')
    }),
  )
  t.equal(ring.pin(KEY, 30), -1)
})

t.test('a frame that is being written is arriving, and no other', async t => {
  const ring = new FrameRing(makeRingMemory(2))
  const fill = filler([numbered(1, 50)])
  t.notOk(ring.isArriving(KEY, 10, 0))
  ring.write(1, KEY, 10, plain => {
    t.ok(ring.isArriving(KEY, 10, 0))
    t.ok(ring.isArriving(KEY, 10, 1), 'waited for')
    t.equal(ring.pin(KEY, 10), -1, 'not to be read yet')
    t.notOk(ring.isArriving(KEY, 20, 0))
    return fill(plain)
  })
  t.notOk(ring.isArriving(KEY, 10, 0))
  t.equal(ring.pin(KEY, 10), 1)
})

t.test('the aim is read whole', async t => {
  let news = 0
  const ring = new FrameRing(makeRingMemory(2), () => news++)
  t.equal(ring.readAim(), undefined)
  ring.aim(KEY, 3 * 2 ** 32 + 0xfffffff0)
  t.match(ring.readAim(), { ...KEY, frameOffset: 3 * 2 ** 32 + 0xfffffff0 })
  t.equal(news, 1)
})

/** Writes frames whose bytes all say which frame it is, as fast as it can. */
const WRITER = `
  const { workerData } = require('node:worker_threads')
  const { memory, ring: url, digest: digestUrl, frames } = workerData
  const stop = new Int32Array(workerData.stop)
  Promise.all([import(url), import(digestUrl)]).then(([module, { digestOf }]) => {
    const ring = new module.FrameRing(memory)
    const key = module.packKey('0123456789abcdef')
    let slot = 0
    for (let frame = 1; Atomics.load(stop, 0) === 0; frame = (frame % frames) + 1) {
      slot = (slot + 1) % ring.slots
      ring.write(slot, key, frame * 1000, plain => {
        plain.fill(frame)
        return [{ digest: digestOf(plain), offsetBytes: 0, lengthBytes: plain.length }]
      })
      Atomics.add(stop, 1, 1)
    }
  })`

t.test('a reader never sees a frame change under it', async t => {
  const memory = makeRingMemory(4)
  const ring = new FrameRing(memory)
  const key = packKey('0123456789abcdef')
  const frames = 12
  const digests: Digest[] = []
  for (let frame = 1; frame <= frames; frame++)
    digests[frame] = digestOf(Buffer.alloc(FRAME_TARGET_BYTES, frame))
  const stop = new Int32Array(new SharedArrayBuffer(8))
  const moduleUrl = (name: string) => new URL(name, import.meta.url).href
  const worker = new Worker(WRITER, {
    eval: true,
    workerData: {
      memory,
      ring: moduleUrl('./frame-ring.js'),
      digest: moduleUrl('../objects/digest.js'),
      stop: stop.buffer,
      frames,
    },
  })
  let seen = 0
  let wrong = 0
  while (Atomics.load(stop, 1) < 3000) {
    const frame = 1 + (Atomics.load(stop, 1) % frames)
    const slot = ring.pin(key, frame * 1000)
    if (slot < 0) {
      // Lets the other thread load its modules, too.
      if (Atomics.load(stop, 1) === 0) await new Promise(setImmediate)
      continue
    }
    const digest = digests[frame] as Digest
    const bytes = ring.object(slot, digest, 0, FRAME_TARGET_BYTES)
    // What is there is the frame, from the first byte to the last, and stays.
    for (let at = 0; at < FRAME_TARGET_BYTES; at += 997)
      if (bytes?.[at] !== frame) wrong++
    seen++
    ring.unpin(slot)
  }
  Atomics.store(stop, 0, 1)
  await worker.terminate()
  t.equal(wrong, 0)
  t.ok(seen > 10, `${seen} frames read while others were written`)
})

/** Objects that take frames of every kind; they compress badly. */
const makeObjects = (): Buffer[] => [
  ...Array.from({ length: 3000 }, (_, i) => numbered(i, 200 + (i % 900))),
  ...Array.from({ length: 40 }, (_, i) => {
    const bytes = Buffer.alloc(60_000)
    for (let at = 0; at < bytes.length; at++)
      bytes[at] = (Math.imul(at + i * 7919, 2654435761) >>> 13) & 255
    return bytes
  }),
  numbered(9999, 2_000_000),
]

const makeRepository = async (path: string) => {
  const objects = makeObjects()
  const repository = Repository.create(path)
  const writer = await repository.beginWrite()
  const ids = objects.map(bytes => writer.add('data', bytes))
  await repository.publish(await writer.finish(), () => undefined)
  await writer.close()
  repository.close()
  return { objects, ids }
}

t.test('what is decoded ahead is what a reader would have read', async t => {
  const path = join(t.testdir(), 'repo')
  const { objects, ids } = await makeRepository(path)
  const memory = makeRingMemory(6)
  let decoded = 0
  // In place of another thread: decodes four frames whenever the aim moves.
  const ring: FrameRing = new FrameRing(memory, () => {
    const aim = ring.readAim()
    let next = aim?.frameOffset
    for (let i = 0; i < 4 && aim !== undefined && next !== undefined; i++) {
      next = decoder.decode(aim, next)
      if (next !== undefined) decoded++
    }
  })
  const decoder = new FrameDecoder(join(path, 'packs'), ring)
  const repository = Repository.open(path, { reusesBuffers: true, ring })
  t.teardown(() => repository.close())
  const lease = repository.lease()
  for (const step of [1, 7, objects.length - 1])
    for (let n = 0, i = 0; n < objects.length; n++) {
      lease.end()
      const bytes = lease.read(ids[i] as Digest, SEQUENTIAL)
      if (!bytes.equals(objects[i] as Buffer)) t.fail(`object ${i}`)
      i = (i + step) % objects.length
    }
  t.ok(decoded > 20, `${decoded} frames`)
  decoder.close()
})

t.test('a chunk in a frame that another decodes is waited for', async t => {
  const path = join(t.testdir(), 'repo')
  const { objects, ids } = await makeRepository(path)
  const ring = new FrameRing(makeRingMemory(2))
  const repository = Repository.open(path, { reusesBuffers: true, ring })
  t.teardown(() => repository.close())
  const lease = repository.lease()
  const id = ids[0] as Digest
  const place = repository.indexes.find(id)
  if (place === undefined) throw new Error('no place')
  const bytes = (chunk: Buffer | undefined) =>
    chunk?.equals(objects[0] as Buffer)
  t.ok(
    bytes(lease.read(id, { isSequential: true, maxWaitMs: 0 })),
    'nobody decodes it',
  )
  ring.write(0, packKey(place.pack), place.frameOffset, () => {
    t.equal(lease.read(id, { isSequential: true, maxWaitMs: 0 }), undefined)
    t.ok(
      bytes(lease.read(id, SEQUENTIAL)),
      'who will not wait decodes it himself',
    )
    return undefined
  })
  t.ok(
    bytes(lease.read(id, { isSequential: true, maxWaitMs: 0 })),
    'it was given up',
  )
})

t.test('damage is left to the reader, who says what it is', async t => {
  const path = join(t.testdir(), 'repo')
  const { ids } = await makeRepository(path)
  const packs = join(path, 'packs')
  const ring: FrameRing = new FrameRing(makeRingMemory(6), () => {
    const aim = ring.readAim()
    let next = aim?.frameOffset
    for (let i = 0; i < 6 && aim !== undefined && next !== undefined; i++)
      next = decoder.decode(aim, next)
  })
  const decoder = new FrameDecoder(packs, ring)
  for (const name of readdirSync(packs)) {
    const bytes = readFileSync(join(packs, name))
    // In every frame, a byte of what is compressed or of a table.
    for (let at = 5000; at < bytes.length - 100; at += 9000)
      bytes[at] = (bytes[at] as number) ^ 1
    writeFileSync(join(packs, name), bytes)
  }
  const repository = Repository.open(path, { reusesBuffers: true, ring })
  t.teardown(() => repository.close())
  const lease = repository.lease()
  let served = 0
  let refused = 0
  for (const id of ids) {
    lease.end()
    try {
      if (digestOf(lease.read(id, SEQUENTIAL)) !== id) served++
    } catch (error) {
      if (!(error instanceof DendroError)) throw error
      refused++
    }
  }
  t.equal(served, 0)
  t.ok(refused > 0)
  t.equal(decoder.decode(packKey('e'.repeat(64)), 0), undefined)
  decoder.close()
})
