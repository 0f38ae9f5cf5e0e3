import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { textToLatin1 } from '../bytes/latin1.ts'
import type { DirectoryObject, FileObject } from '../objects/fs-object.ts'
import { toRefName } from '../refs/ref-name.ts'
import { finish, finishWaiting } from '../steps.ts'
import { sample } from '../store/conformance-samples.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Repository } from '../store/repository.ts'
import { WaitingStore } from '../store/waiting-store.ts'
import { checkoutTree } from './checkout.ts'
import { readFileOf } from './commit-file.ts'
import { commitDirectory } from './commit.ts'
import { diffTrees } from './diff.ts'
import { lookUpPath } from './lookup.ts'
import { readContent, readParts, readRange } from './read-file.ts'
import type { ContentPart } from './read-file.ts'
import { seekFile } from './seek-file.ts'
import { walkTree } from './walk.ts'

/** Random enough to be cut into many chunks; with a hole. */
const BIG = Buffer.concat([
  sample(1, 900_000),
  Buffer.alloc(400_000),
  sample(2, 50_001),
])

const commitBoth = async (directory: string) => {
  const source = join(directory, 'source')
  mkdirSync(join(source, 'd/e'), { recursive: true })
  writeFileSync(join(source, 'big'), BIG)
  writeFileSync(join(source, 'd/e/small'), 'first\n')
  symlinkSync('d/e/small', join(source, 'link'))
  const repository = Repository.create(join(directory, 'repo'))
  const commit = async () => {
    const request = {
      ref: toRefName('main'),
      source: textToLatin1(source),
      subject: '',
      body: '',
      metadata: new Map(),
    }
    const options = { mtime: { kind: 'exact' } } as const
    return (await commitDirectory(repository, request, options)).commit.root
  }
  const before = await commit()
  writeFileSync(join(source, 'd/e/small'), 'second\n')
  writeFileSync(join(source, 'd/new'), 'new')
  return { repository, before, after: await commit() }
}

/** All that a repository holds, in a store that overwrites what was leased. */
const inMemory = async (repository: Repository): Promise<MemoryStore> => {
  const store = new MemoryStore({ overwrites: true })
  const writer = await store.beginWrite()
  const lease = repository.lease()
  for (const file of repository.indexes.files)
    for (const { digest } of file.readAll())
      writer.add('data', lease.read(digest))
  await store.publish(await writer.finish(), () => undefined)
  await writer.close()
  return store
}

const bytesOf = (parts: readonly ContentPart[]): Buffer =>
  Buffer.concat(
    parts.map(({ bytes, begin, lengthBytes }) =>
      bytes.subarray(begin, begin + lengthBytes),
    ),
  )

const fileAt = (store: MemoryStore, root: DirectoryObject, path: string) =>
  lookUpPath(store, root, path) as FileObject

t.test('who reads looks at nothing behind the end of a lease', async t => {
  const directory = t.testdir()
  const { repository, before, after } = await commitBoth(directory)
  t.teardown(() => repository.close())
  const store = await inMemory(repository)
  const changesIn = (reader: MemoryStore | Repository) => {
    const changes: string[] = []
    diffTrees(reader, before, after, ({ kind, path }) =>
      changes.push(`${kind} ${path}`),
    )
    return changes
  }
  t.same(changesIn(store), changesIn(repository))
  t.ok(changesIn(store).includes('A d/new'))
  const pathsIn = (reader: MemoryStore | Repository) =>
    [...walkTree(reader, after)].map(({ path }) => path)
  t.same(pathsIn(store), pathsIn(repository))
  const big = fileAt(store, after, 'big')
  const whole = Buffer.alloc(big.sizeBytes)
  for (const { offsetBytes, bytes } of readContent(store, big))
    bytes?.copy(whole, offsetBytes)
  t.ok(whole.equals(BIG))
  const target = Buffer.alloc(300_000)
  t.equal(readRange(store, big, 800_000, target), 300_000)
  t.ok(target.equals(BIG.subarray(800_000, 1_100_000)))
  t.equal(readFileOf(store, after, 'link', 100)?.toString(), 'second\n')
  t.equal(seekFile(store, big, 1_290_000, 'data') !== undefined, true)
  checkoutTree(store, after, join(directory, 'out'))
  const again = await commitDirectory(
    repository,
    {
      ref: toRefName('again'),
      source: textToLatin1(join(directory, 'out')),
      subject: '',
      body: '',
      metadata: new Map(),
    },
    { mtime: { kind: 'exact' } },
  )
  t.equal(again.commit.root.tree, after.tree, 'a checkout is the same tree')
})

t.test('a lease that ends too early shows', async t => {
  const { repository, after } = await commitBoth(t.testdir())
  t.teardown(() => repository.close())
  const store = await inMemory(repository)
  const lease = store.lease()
  const parts = finish(
    readParts(lease, fileAt(store, after, 'big'), 0, 100_000),
  )
  t.ok(bytesOf(parts).equals(BIG.subarray(0, 100_000)))
  lease.end()
  t.notOk(bytesOf(parts).equals(BIG.subarray(0, 100_000)))
})

t.test('content that has to be fetched is waited for', async t => {
  const { repository, after } = await commitBoth(t.testdir())
  t.teardown(() => repository.close())
  const store = await inMemory(repository)
  const big = fileAt(store, after, 'big')
  const waiting = new WaitingStore(store)
  const lease = waiting.lease()
  const steps = readParts(lease, big, 0, BIG.length)
  t.ok(steps.next().value instanceof Promise, 'says what it waits for')
  t.ok(steps.next().value instanceof Promise, 'and may be asked too early')
  const parts = await finishWaiting(steps)
  t.ok(bytesOf(parts).equals(BIG))
  lease.end()
  store.damageAll()
  await t.rejects(finishWaiting(readParts(lease, big, 0, BIG.length)), {
    code: 'CORRUPT_OBJECT',
  })
})
