import { join } from 'node:path'
import t from 'tap'
import { ENOENT } from '../fuse/layout.ts'
import { digestOf } from '../objects/digest.ts'
import { FrameDecoder } from '../store/frame-decoder.ts'
import { FrameRing, makeRingMemory, packKey } from '../store/frame-ring.ts'
import { Repository } from '../store/repository.ts'
import { AheadThread } from './ahead-thread.ts'
import { WORD } from './ahead-words.ts'
import { encodeJob } from './store-job.ts'
import type { StoreItem, StoreJob } from './store-job.ts'

const OBJECTS = Array.from({ length: 24 }, (_, i) =>
  Buffer.alloc(40_000, `object number ${i} of them;`),
)

/** Places of the objects in a repository, by their index. */
const makeRepository = async (path: string) => {
  const repository = Repository.create(path)
  const writer = await repository.beginWrite()
  for (const bytes of OBJECTS) writer.add('data', bytes)
  await repository.publish(await writer.finish(), () => undefined)
  await writer.close()
  const places = OBJECTS.map(bytes => {
    const place = repository.indexes.find(digestOf(bytes))
    if (place === undefined) throw new Error('it was not stored')
    return place
  })
  repository.close()
  return places
}

/** A thread over a real repository; what it stores is kept here. */
const makeThread = async (path: string) => {
  const places = await makeRepository(path)
  const ring = new FrameRing(makeRingMemory(8))
  const decoder = new FrameDecoder(join(path, 'packs'), ring)
  const made = {
    words: new Int32Array(WORD.count),
    queue: [] as StoreJob[],
    stored: new Map<number, Buffer>(),
    tries: 0,
    wakes: 0,
    /** Results of `storePages` before it succeeds. */
    refusals: [] as number[],
    /** Called before each file. */
    onStore: (): void => undefined,
    decoded: [] as number[],
    places,
    ring,
  }
  const thread = new AheadThread({
    ring,
    decoder: {
      decode: (key, offset) => {
        made.decoded.push(offset)
        return decoder.decode(key, offset)
      },
      close: () => decoder.close(),
    },
    words: made.words,
    framesAhead: 2,
    nextJob: () => made.queue.shift(),
    storePages: (nodeId, parts) => {
      made.onStore()
      made.tries++
      const refusal = made.refusals.shift()
      if (refusal !== undefined) return refusal
      const bytes = Buffer.concat(parts)
      made.stored.set(nodeId, bytes)
      return bytes.length
    },
    wake: () => made.wakes++,
  })
  t.teardown(() => decoder.close())
  const item = (index: number, ...objects: number[]): StoreItem => ({
    index,
    nodeId: 100 + index,
    parts: objects.map(i => ({
      digest: digestOf(OBJECTS[i] as Buffer),
      place: places[i] as (typeof places)[number],
    })),
  })
  return { ...made, made, thread, item }
}

const work = (thread: AheadThread): void => {
  thread.takeJobs()
  while (thread.step());
}

t.test('files are stored whole, from parts in several frames', async t => {
  const { made, thread, item } = await makeThread(join(t.testdir(), 'repo'))
  made.queue.push(encodeJob(1, [item(0, 3), item(1, 0, 11, 23)]))
  work(thread)
  t.ok(made.stored.get(100)?.equals(OBJECTS[3] as Buffer))
  const whole = Buffer.concat([0, 11, 23].map(i => OBJECTS[i] as Buffer))
  t.ok(made.stored.get(101)?.equals(whole))
  t.equal(made.words[WORD.stored], 2)
  t.equal(made.words[WORD.completed], 1)
})

t.test('a file with a part that is not there is left out', async t => {
  const { made, thread, item } = await makeThread(join(t.testdir(), 'repo'))
  const good = item(0, 3)
  const [part] = good.parts
  const place = { ...part?.place, frameOffset: 7 }
  const bad = { ...item(1, 4), parts: [{ ...part, place }] } as StoreItem
  made.queue.push(encodeJob(1, [bad, good]))
  work(thread)
  t.same([...made.stored.keys()], [100])
})

t.test('what the reader has passed is late', async t => {
  const { made, thread, item } = await makeThread(join(t.testdir(), 'repo'))
  made.words[WORD.progressJob] = 5
  made.words[WORD.progressIndex] = 1
  made.queue.push(encodeJob(5, [item(0, 0), item(1, 1), item(2, 2)]))
  work(thread)
  t.same([...made.stored.keys()], [102])
})

t.test('the first file is tried again until its node is known', async t => {
  const { made, thread, item } = await makeThread(join(t.testdir(), 'repo'))
  made.refusals.push(-ENOENT, -ENOENT)
  made.queue.push(encodeJob(1, [item(0, 0), item(1, 1)]))
  work(thread)
  t.same([...made.stored.keys()], [100, 101])
  made.refusals.push(-ENOENT, -ENOENT, -ENOENT, -ENOENT, -ENOENT)
  made.tries = 0
  made.queue.push(encodeJob(2, [item(2, 2), item(3, 3)]))
  work(thread)
  t.equal(made.tries, 6, 'five tries, then the next file')
  t.notOk(made.stored.has(102))
  t.ok(made.stored.has(103))
})

t.test('cancelled, all jobs are dropped, in the middle of one too', async t => {
  const { made, thread, item } = await makeThread(join(t.testdir(), 'repo'))
  made.onStore = () => Atomics.store(made.words, WORD.cancel, 1)
  made.queue.push(encodeJob(1, [item(0, 0), item(1, 1)]))
  made.queue.push(encodeJob(2, [item(2, 2)]))
  thread.takeJobs()
  t.ok(thread.step())
  t.same([...made.stored.keys()], [100])
  thread.takeJobs()
  t.equal(made.words[WORD.completed], 2)
})

t.test('of a long queue the oldest jobs are dropped', async t => {
  const { made, thread, item } = await makeThread(join(t.testdir(), 'repo'))
  for (let i = 0; i < 70; i++) made.queue.push(encodeJob(i, [item(i, 0)]))
  thread.takeJobs()
  t.equal(made.words[WORD.completed], 6)
  thread.step()
  t.same([...made.stored.keys()], [106])
})

t.test('an aim is followed for as many frames as are asked for', async t => {
  const { made, thread, places } = await makeThread(join(t.testdir(), 'repo'))
  const first = places[0] as (typeof places)[number]
  made.ring.aim(packKey(first.pack), first.frameOffset)
  work(thread)
  t.equal(made.decoded.length, 2)
  t.equal(made.decoded[0], first.frameOffset)
  const slot = made.ring.pin(packKey(first.pack), first.frameOffset)
  t.ok(slot >= 0, 'the frame is in the ring')
  made.ring.unpin(slot)
  work(thread)
  t.equal(made.decoded.length, 2, 'once')
})
