import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { DendroError } from '../errors.ts'
import { toRefName } from '../refs/ref-name.ts'
import { quarantine } from '../store/quarantine.ts'
import { Repository } from '../store/repository.ts'
import { pruneRepository } from '../upkeep/prune.ts'
import { RefStore } from '../refs/ref-store.ts'
import { shim } from '../system/native.ts'
import { commitDirectory } from './commit.ts'
import type { ImportOptions } from './import-options.ts'
import { importTree } from './import.ts'
import { StatCache } from './stat-cache.ts'
import { originOf } from './stat-origin.ts'

const EXACT: ImportOptions = { mtime: { kind: 'exact' } }
/** Longer than the clock's granularity: what is older is believed. */
const STEADY_MS = 60

const setUp = (directory: string) => {
  const source = join(directory, 'source')
  for (const name of ['a/b/c', 'a/d', 'e'])
    mkdirSync(join(source, name), { recursive: true })
  for (const name of ['a/one', 'a/b/two', 'a/b/c/three', 'a/d/four', 'e/five'])
    writeFileSync(join(source, name), `${name}\n`)
  const repository = Repository.create(join(directory, 'repo'))
  const commit = (options: ImportOptions = EXACT, name = 'r') =>
    commitDirectory(
      repository,
      {
        ref: toRefName(name),
        source,
        subject: '',
        body: '',
        metadata: new Map(),
        timeSec: 1,
      },
      options,
    )
  /** What an import would give, with the cache or without; nothing is kept. */
  const look = async (options: ImportOptions) => {
    const writer = await repository.beginWrite()
    try {
      return await importTree(repository, writer, source, options)
    } finally {
      await writer.close()
    }
  }
  return { source, repository, commit, look }
}

t.test('directories in which nothing changed are not looked into', async t => {
  const { source, repository, commit, look } = setUp(t.testdir())
  t.teardown(() => repository.close())
  await sleep(STEADY_MS)
  const first = await commit()
  const again = await look(EXACT)
  t.equal(again.directoriesKept, 6)
  t.equal(again.filesRead, 0)
  t.same(again.root, first.commit.root)
  t.same(again.summary, first.summary)
  writeFileSync(join(source, 'a/b/c/three'), 'changed\n')
  const changed = await look(EXACT)
  t.equal(changed.filesRead, 1)
  t.equal(changed.directoriesKept, 2, 'd and e; not those above three')
  await sleep(STEADY_MS)
  await commit()
  t.equal((await look(EXACT)).directoriesKept, 6)
})

t.test(
  'other conditions, a commit that is gone, damage: all is looked at',
  async t => {
    const { repository, commit, look } = setUp(t.testdir())
    t.teardown(() => repository.close())
    await sleep(STEADY_MS)
    await commit()
    const clamp = (epochSec: number): ImportOptions => ({
      mtime: { kind: 'clamp', epochSec },
    })
    t.equal((await look(clamp(5))).directoriesKept, 0)
    await commit(clamp(5))
    t.equal((await look(clamp(5))).directoriesKept, 6)
    t.equal((await look(clamp(6))).directoriesKept, 0)
    t.equal((await look({ mtime: { kind: 'parent' } })).directoriesKept, 0)
    t.equal(
      (await look({ ...clamp(5), ignoreStatCache: true })).directoriesKept,
      0,
    )
    await commit(EXACT, 'other')
    const { id, commit: made } = await commit(EXACT, 'other')
    t.equal((await look(EXACT)).directoriesKept, 6)
    quarantine(
      repository,
      new DendroError('CORRUPT_OBJECT', 'damaged', {
        data: { digest: made.root.tree, pack: 'p', frameOffset: 0 },
      }),
    )
    t.equal((await look(EXACT)).directoriesKept, 0)
    rmSync(repository.paths.quarantine.path, { recursive: true })
    t.equal((await look(EXACT)).directoriesKept, 6)
    await repository.publish([], () =>
      new RefStore(repository.paths, 'refs').remove(toRefName('other')),
    )
    await pruneRepository(repository, { rules: {} })
    t.notOk(repository.commits.has(id))
    t.equal((await look(EXACT)).directoriesKept, 0)
  },
)

t.test('a file that is mapped for writing is read each time', async t => {
  const { source, repository, commit, look } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const fd = openSync(join(source, 'a/one'), 'r+')
  const mapped = shim().mapShared(fd, 6) as ArrayBuffer
  closeSync(fd)
  const bytes = new Uint8Array(mapped)
  // The page is not clean any more: stores to it leave no trace.
  bytes[0] = 65
  await sleep(STEADY_MS)
  const before = statSync(join(source, 'a/one'), { bigint: true }).ctimeNs
  const first = await commit()
  t.equal(first.filesRead, 5)
  bytes[0] = 66
  const after = statSync(join(source, 'a/one'), { bigint: true }).ctimeNs
  t.equal(after, before)
  const second = await look(EXACT)
  t.equal(second.filesRead, 1)
  t.not(second.root.tree, first.commit.root.tree)
  t.equal(second.directoriesKept, 4, 'all but a and the root')
})

t.test('records of another origin are not believed', async t => {
  const { source, repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  await sleep(STEADY_MS)
  await commit()
  const root = openSync(source, 'r')
  const origin = originOf(root)
  closeSync(root)
  if (origin === undefined) return t.pass('nothing is believed here')
  const { cache } = repository.paths
  const other = { ...origin, id: `${origin.id}1` }
  t.notOk(StatCache.load(cache, source, origin).isEmpty)
  t.ok(StatCache.load(cache, source, other).isEmpty)
  t.ok(StatCache.load(cache, source, undefined).isEmpty)
})

t.test(
  'with the cache the tree is what it is without, whatever changed',
  async t => {
    const seed = Date.now() & 0xffff
    t.comment(`seed ${seed}`)
    let state = seed | 1
    const random = (n: number) =>
      (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n
    const { source, repository, commit, look } = setUp(t.testdir())
    t.teardown(() => repository.close())
    const pick = (wanted: 'file' | 'directory'): string => {
      const all = readdirSync(source, { recursive: true, withFileTypes: true })
      const found = all.filter(entry =>
        wanted === 'file' ? entry.isFile() : entry.isDirectory(),
      )
      const entry = found[random(found.length)]
      return entry === undefined ? source : join(entry.parentPath, entry.name)
    }
    let made = 0
    const edits: (() => void)[] = [
      () => writeFileSync(pick('file'), `${made++}`),
      () => writeFileSync(join(pick('directory'), `new${made++}`), 'new'),
      () => mkdirSync(join(pick('directory'), `dir${made++}`)),
      () => rmSync(pick('file')),
      () => chmodSync(pick('file'), 0o600 + random(64)),
      () => chmodSync(pick('directory'), 0o700 + random(64)),
      () => renameSync(pick('file'), join(pick('directory'), `moved${made++}`)),
      () => linkSync(pick('file'), join(pick('directory'), `link${made++}`)),
      () => symlinkSync('x', join(pick('directory'), `symlink${made++}`)),
      () => undefined,
    ]
    let kept = 0
    for (let round = 0; round < 40; round++) {
      for (let i = random(3); i >= 0; i--) {
        try {
          edits[random(edits.length)]?.()
        } catch {
          // There was nothing to do that to.
        }
      }
      if (random(4) > 0) await sleep(STEADY_MS)
      const cached = await look(EXACT)
      const plain = await look({ ...EXACT, ignoreStatCache: true })
      t.same(cached.root, plain.root, `round ${round}`)
      t.same(cached.summary, plain.summary)
      kept += cached.directoriesKept
      await commit()
    }
    t.ok(kept > 20, `${kept} directories were kept`)
  },
)
