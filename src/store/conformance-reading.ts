/** Cases of conformance.ts: what is read, at once or later, and for how long. */

import assert from 'node:assert/strict'
import { isDamage } from '../errors.ts'
import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { encodeExtentList } from '../objects/extents.ts'
import type { FileObject } from '../objects/fs-object.ts'
import { encodeTree } from '../objects/tree.ts'
import { asked, sample, storeObjects } from './conformance-samples.ts'
import type { CaseOf, TestedStore } from './conformance.ts'
import { SEQUENTIAL } from './object-reader.ts'
import type { Answer, ReadLease } from './object-reader.ts'

const read = (lease: ReadLease, id: Digest): Promise<Buffer> =>
  asked(() => lease.read(id))

const setUp = async ({ store }: TestedStore, objects: readonly Buffer[]) => ({
  store,
  lease: store.lease(),
  ids: await storeObjects(store, objects),
})

/** Lengths from one byte to more than a frame of a pack. */
const LENGTHS = [1, 2, 100, 4096, 70_000, 300_000, 1_000_000]
const samples = (): Buffer[] => LENGTHS.map((length, i) => sample(i, length))

const ABSENT = digestOf(Buffer.from('nobody stores this'))
const MANY = 3000

const fileOf = (
  content: FileObject['content'],
  sizeBytes: number,
): FileObject => ({
  kind: 'file',
  mode: 0o100644,
  uid: 0,
  gid: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  links: undefined,
  xattrs: [],
  sizeBytes,
  dataBytes: sizeBytes,
  content,
})

export const readingCases: readonly CaseOf[] = [
  {
    name: 'an empty store has nothing, and says so',
    run: async ({ store }) => {
      assert.equal(await asked(() => store.has(ABSENT)), false)
      const missing = { code: 'MISSING_OBJECT' }
      await assert.rejects(read(store.lease(), ABSENT), missing)
      await assert.rejects(
        asked(() => store.readTree(ABSENT)),
        missing,
      )
      await assert.rejects(
        asked(() => store.loadTree(ABSENT)),
        missing,
      )
    },
  },
  {
    name: 'what is published is read back byte for byte',
    run: async tested => {
      const objects = samples()
      const { store, lease, ids } = await setUp(tested, objects)
      for (const [i, bytes] of objects.entries()) {
        const id = ids[i] as Digest
        assert.equal(id, digestOf(bytes))
        assert.equal(await asked(() => store.has(id)), true)
        assert.ok((await read(lease, id)).equals(bytes), `${bytes.length}`)
        lease.end()
      }
    },
  },
  {
    name: 'many small objects are read in any order',
    run: async tested => {
      const objects = Array.from({ length: MANY }, (_, i) =>
        sample(i, 40 + (i % 900)),
      )
      const { lease, ids } = await setUp(tested, objects)
      for (let n = 0, i = 0; n < MANY; n++, i = (i + 1009) % MANY) {
        const bytes = await read(lease, ids[i] as Digest)
        assert.ok(bytes.equals(objects[i] as Buffer), `object ${i}`)
        lease.end()
      }
    },
  },
  {
    name: 'what was read stays until the lease ends, whatever others read',
    run: async tested => {
      // More frames than a small cache holds, of the size whose memory is reused.
      const objects = Array.from({ length: 12 }, (_, i) => sample(i, 100_000))
      const { store, lease, ids } = await setUp(tested, objects)
      const other = store.lease()
      const kept: Buffer[] = []
      for (const id of ids) {
        kept.push(await read(lease, id))
        for (const another of ids) await read(other, another)
        other.end()
      }
      kept.forEach((bytes, i) => {
        assert.ok(bytes.equals(objects[i] as Buffer), `object ${i}`)
      })
      lease.end()
      lease.end()
      const again = await read(lease, ids[0] as Digest)
      assert.ok(again.equals(objects[0] as Buffer), 'it is read through again')
      lease.end()
    },
  },
  {
    name: 'whatever a reader intends, it reads the same',
    run: async tested => {
      const objects = samples()
      const { lease, ids } = await setUp(tested, objects)
      for (const [i, id] of ids.entries()) {
        const bytes = await asked(() => lease.read(id, SEQUENTIAL))
        assert.ok(bytes.equals(objects[i] as Buffer))
        let patient: Answer<Buffer> | undefined
        for (let asks = 0; patient === undefined && asks < 1000; asks++)
          patient = lease.read(id, { isSequential: true, maxWaitMs: 1 })
        assert.ok((await patient)?.equals(objects[i] as Buffer))
      }
      lease.end()
    },
  },
  {
    name: 'answers may be awaited side by side',
    run: async tested => {
      const objects = samples()
      const { lease, ids } = await setUp(tested, objects)
      const all = await Promise.all(ids.map(id => read(lease, id)))
      all.forEach((bytes, i) => {
        assert.ok(bytes.equals(objects[i] as Buffer))
      })
      lease.end()
    },
  },
  {
    name: 'answers are at once',
    appliesTo: ({ waits }) => !waits,
    run: async tested => {
      const { store, lease, ids } = await setUp(tested, [encodeTree([])])
      const id = ids[0] as Digest
      const answers = [
        store.has(id),
        store.readTree(id),
        store.loadTree(id),
        store.loadExtents(fileOf([], 0)),
        lease.read(id),
      ]
      for (const answer of answers) assert.ok(!(answer instanceof Promise))
      assert.throws(() => lease.read(ABSENT), { code: 'MISSING_OBJECT' })
      lease.end()
    },
  },
  {
    name: 'a directory is read as it was stored, and may be kept',
    run: async tested => {
      const file = fileOf([], 0)
      const encoded = encodeTree([{ name: 'a', object: file }])
      const { store, ids } = await setUp(tested, [encoded])
      const id = ids[0] as Digest
      const tree = await asked(() => store.loadTree(id))
      assert.deepEqual(
        tree.entries.map(({ name }) => name),
        ['a'],
      )
      const own = await asked(() => store.readTree(id))
      assert.ok(own.equals(encoded))
      own.fill(0)
      const again = await asked(() => store.readTree(id))
      assert.ok(again.equals(encoded), 'it is memory of its own')
    },
  },
  {
    name: 'extents are those of the file, wherever they are stored',
    run: async tested => {
      const extents = Array.from({ length: 40 }, (_, i) => ({
        lengthBytes: 100_000,
        chunk: digestOf(sample(i, 8)),
      }))
      const { store, ids } = await setUp(tested, [encodeExtentList(extents)])
      const list = ids[0] as Digest
      const whole = fileOf(list, 4_000_000)
      const found = await asked(() => store.loadExtents(whole))
      assert.deepEqual(found, extents)
      const inside = fileOf(extents.slice(0, 1), 100_000)
      const known = await asked(() => store.loadExtents(inside))
      assert.deepEqual(known, extents.slice(0, 1))
      const wrong = fileOf(list, 4_000_001)
      await assert.rejects(
        asked(() => store.loadExtents(wrong)),
        { code: 'CORRUPT_OBJECT' },
      )
    },
  },
  {
    name: 'damage is never served',
    appliesTo: ({ canBeDamaged }) => canBeDamaged,
    run: async tested => {
      const { lease, ids } = await setUp(tested, samples())
      tested.damage?.()
      const again = tested.openAgain?.()
      const reading = again?.lease() ?? lease
      let refused = 0
      for (const id of ids) {
        const bytes = await read(reading, id).catch((error: unknown) => {
          assert.ok(isDamage(error), String(error))
          refused++
        })
        if (bytes !== undefined) assert.equal(digestOf(bytes), id)
        reading.end()
      }
      again?.close()
      assert.ok(refused > 0, 'the damage is met')
    },
  },
]
