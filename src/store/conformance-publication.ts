/** Cases of conformance.ts: what is written, and when others find it. */

import assert from 'node:assert/strict'
import { encodeCommit } from '../objects/commit.ts'
import { digestOf, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { encodeTree } from '../objects/tree.ts'
import { asked, sample, storeObjects } from './conformance-samples.ts'
import type { CaseOf } from './conformance.ts'
import type { ObjectStore } from './object-store.ts'

const commitOf = (subject: string): Buffer =>
  encodeCommit({
    root: {
      kind: 'directory',
      mode: 0o40755,
      uid: 0,
      gid: 0,
      mtimeSec: 0,
      mtimeNsec: 0,
      xattrs: [],
      subdirectories: 0,
      tree: digestOf(encodeTree([])),
    },
    parents: [],
    timeSec: 1_000_000_000,
    subject,
    body: '',
    metadata: new Map(),
    summary: {
      files: 0,
      directories: 1,
      others: 0,
      logicalBytes: 0,
      xattrNames: [],
    },
  })

const has = (store: ObjectStore, id: Digest): Promise<boolean> =>
  asked(() => store.has(id))

const isFound = async (store: ObjectStore, bytes: Buffer): Promise<boolean> => {
  const lease = store.lease()
  const found = await asked(() => lease.read(digestOf(bytes)))
  const isSame = found.equals(bytes)
  lease.end()
  return isSame
}

export const publicationCases: readonly CaseOf[] = [
  {
    name: 'what is not published is not found',
    run: async ({ store }) => {
      const writer = await store.beginWrite()
      const id = writer.add('data', sample(1, 5000))
      assert.equal(writer.has(id), true, 'but by who added it')
      assert.equal(await has(store, id), false)
      await writer.finish()
      assert.equal(await has(store, id), false)
      await writer.close()
      await writer.close()
      assert.equal(await has(store, id), false)
    },
  },
  {
    name: 'what a writer adds is copied',
    run: async ({ store }) => {
      const writer = await store.beginWrite()
      const bytes = sample(1, 5000)
      const original = Buffer.from(bytes)
      writer.add('data', bytes)
      bytes.fill(0)
      await store.publish(await writer.finish(), () => undefined)
      await writer.close()
      assert.ok(await isFound(store, original))
    },
  },
  {
    name: 'equal bytes are one object, stored once',
    run: async ({ store }) => {
      const bytes = sample(2, 5000)
      await storeObjects(store, [bytes])
      const writer = await store.beginWrite()
      assert.equal(writer.has(digestOf(bytes)), true)
      writer.add('data', bytes)
      writer.add('data', sample(3, 700))
      writer.add('data', sample(3, 700))
      const { newObjects, newBytes } = writer.statistics
      assert.deepEqual(
        { newObjects, newBytes },
        { newObjects: 1, newBytes: 700 },
      )
      if (writer.isBehind()) await writer.drained()
      await store.publish(await writer.finish(), () => undefined)
      await writer.close()
      assert.ok(await isFound(store, bytes))
      assert.ok(await isFound(store, sample(3, 700)))
    },
  },
  {
    name: 'objects are found before the work of their publication is done',
    run: async ({ store }) => {
      const writer = await store.beginWrite()
      const id = writer.add('meta', sample(4, 300))
      const said = await store.publish(await writer.finish(), async () =>
        (await has(store, id)) ? 'found' : 'not found',
      )
      await writer.close()
      assert.equal(said, 'found')
    },
  },
  {
    name: 'publications come one after the other, also behind one that fails',
    run: async ({ store }) => {
      const order: string[] = []
      const work = async (name: string): Promise<void> => {
        order.push(`${name} begins`)
        await new Promise(resolve => setTimeout(resolve, 5))
        order.push(`${name} ends`)
        if (name === 'first') throw new Error(name)
      }
      const first = store.publish([], () => work('first'))
      const failed = assert.rejects(first, /first/)
      const second = store.publish([], () => work('second'))
      await Promise.all([failed, second])
      assert.equal(order.length, 4)
      for (const at of [0, 2])
        assert.equal(order[at + 1], order[at]?.replace('begins', 'ends'))
      await store.publish([], () => undefined)
    },
  },
  {
    name: 'commits are found by their ids, and listed in order',
    run: async ({ store }) => {
      const { commits } = store
      const encoded = ['a', 'b', 'c'].map(commitOf)
      const ids = await store.publish([], () =>
        encoded.map(bytes => commits.put(bytes)),
      )
      const sorted = encoded.map(bytes => digestToHex(digestOf(bytes))).sort()
      assert.deepEqual(commits.listHex(), sorted)
      assert.deepEqual(commits.list().map(digestToHex), sorted)
      for (const [i, id] of ids.entries()) {
        assert.equal(commits.has(id), true)
        assert.equal(commits.get(id)?.subject, 'abc'[i])
        assert.equal(commits.load(id).subject, 'abc'[i])
      }
      assert.equal([...commits.readable()].length, 3)
      assert.equal(store.grafts().size, 0)
    },
  },
  {
    name: 'a commit that is not there is not found, and rubbish is none',
    run: async ({ store: { commits } }) => {
      const absent = digestOf(commitOf('absent'))
      assert.equal(commits.has(absent), false)
      assert.equal(commits.get(absent), undefined)
      assert.throws(() => commits.load(absent), { code: 'MISSING_OBJECT' })
      assert.throws(() => commits.put(Buffer.from('rubbish')), {
        code: 'CORRUPT_OBJECT',
      })
      assert.deepEqual(commits.listHex(), [])
    },
  },
  {
    name: 'what was published is there when the store is opened again',
    appliesTo: ({ isPersistent }) => isPersistent,
    run: async ({ store, openAgain }) => {
      const bytes = sample(5, 400_000)
      await storeObjects(store, [bytes])
      await store.publish([], () => store.commits.put(commitOf('kept')))
      const again = openAgain?.() as ObjectStore
      assert.ok(await isFound(again, bytes))
      assert.equal(again.commits.list().length, 1)
      again.close()
    },
  },
  {
    name: 'several write at the same time, and find what others published',
    appliesTo: ({ isShared }) => isShared,
    run: async ({ store: one, openAgain }) => {
      const two = openAgain?.() as ObjectStore
      const [first, second] = [await one.beginWrite(), await two.beginWrite()]
      const common = sample(6, 900)
      for (const writer of [first, second]) writer.add('data', common)
      first.add('data', sample(7, 900))
      second.add('data', sample(8, 900))
      const [packs, others] = [await first.finish(), await second.finish()]
      let inside = 0
      const alone = async (): Promise<void> => {
        assert.equal(++inside, 1, 'one publication at a time')
        await new Promise(resolve => setTimeout(resolve, 5))
        inside--
      }
      await Promise.all([one.publish(packs, alone), two.publish(others, alone)])
      await first.close()
      await second.close()
      for (const store of [one, two])
        for (const seed of [6, 7, 8])
          assert.ok(await isFound(store, sample(seed, 900)), `object ${seed}`)
      two.close()
    },
  },
]
