import {
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../objects/digest.ts'
import type {
  DirectoryObject,
  FileObject,
  FsObject,
} from '../objects/fs-object.ts'
import { toRefName } from '../refs/ref-name.ts'
import { Repository } from '../store/repository.ts'
import { checkoutTree } from './checkout.ts'
import { commitDirectory } from './commit.ts'
import { diffTrees } from './diff.ts'
import type { ImportOptions } from './import-options.ts'
import { lookUpPath, splitPath } from './lookup.ts'
import { applyMtimePolicy, parseMtimePolicy } from './mtime-policy.ts'
import { readContent, readParts, readRange } from './read-file.ts'
import { isRacy } from './stat-cache.ts'
import { nextVersion } from './version.ts'
import { walkTree } from './walk.ts'

const EXACT: ImportOptions = { mtime: { kind: 'exact' } }

const setUp = (directory: string) => {
  const source = join(directory, 'source')
  mkdirSync(join(source, 'd/e'), { recursive: true })
  writeFileSync(join(source, 'd/e/f'), 'deep')
  writeFileSync(join(source, 'a'), 'one')
  writeFileSync(join(source, 'big'), Buffer.alloc(700_000, 'abcdefgh1234567'))
  symlinkSync('a', join(source, 'l'))
  const repository = Repository.create(join(directory, 'repo'))
  const commit = async (options = EXACT, autoVersion?: string) =>
    commitDirectory(
      repository,
      {
        ref: toRefName('r'),
        source,
        subject: 's',
        body: '',
        metadata: new Map(),
        timeSec: 1000,
        autoVersion,
      },
      options,
    )
  return { source, repository, commit }
}

t.test('versions count along a history', async t => {
  t.equal(nextVersion('23', undefined), '23.0')
  t.equal(nextVersion('23', '23.32'), '23.33')
  t.equal(nextVersion('24', '23.32'), '24.0')
  t.equal(nextVersion('23', '23.x'), '23.0')
  const { repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  for (let n = 0; n < 3; n++)
    t.equal((await commit(EXACT, '7')).commit.metadata.get('version'), `7.${n}`)
})

t.test('what is committed is read back', async t => {
  const { source, repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const { commit: made, summary } = await commit()
  t.match(summary, {
    files: 3,
    directories: 3,
    others: 1,
    logicalBytes: 700_007,
  })
  t.same(
    [...walkTree(repository, made.root)].map(e => e.path),
    ['a', 'big', 'd', 'd/e', 'd/e/f', 'l'],
  )
  const big = lookUpPath(repository, made.root, '/big') as FileObject
  const whole = Buffer.concat(
    [...readContent(repository, big)].map(
      run => run.bytes ?? Buffer.alloc(run.lengthBytes),
    ),
  )
  t.ok(whole.equals(readFileSync(join(source, 'big'))))
  const into = Buffer.alloc(500)
  for (const offset of [0, 1, 65_535, 262_144, 699_500, 699_999]) {
    const count = readRange(repository, big, offset, into)
    t.ok(
      into.subarray(0, count).equals(whole.subarray(offset, offset + 500)),
      `at ${offset}`,
    )
  }
  t.equal(readRange(repository, big, 700_000, into), 0)
  const steps = [...readParts(repository.lease(), big, 0, 700_000)]
  t.equal(steps.length, 2, 'rests after every 256 KiB')
  t.equal(lookUpPath(repository, made.root, 'a/x'), undefined)
  t.same(splitPath('//a/./b/'), ['a', 'b'])
})

t.test('diff tells names and kinds, and nothing of equal trees', async t => {
  const { source, repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const first = await commit()
  writeFileSync(join(source, 'd/e/f'), 'changed')
  writeFileSync(join(source, 'new'), '')
  rmSync(join(source, 'big'))
  rmSync(join(source, 'l'))
  mkdirSync(join(source, 'l'))
  writeFileSync(join(source, 'l/in'), '')
  const second = await commit()
  const changesBetween = (before: DirectoryObject, after: DirectoryObject) => {
    const told: string[] = []
    diffTrees(repository, before, after, ({ kind, path }) =>
      told.push(`${kind} ${path}`),
    )
    return told
  }
  const told = changesBetween(first.commit.root, second.commit.root)
  t.same(told, ['M .', 'D big', 'M d/e/f', 'T l', 'A l/in', 'A new'])
  t.same(changesBetween(first.commit.root, first.commit.root), [])
})

t.test('clamped times give the same tree whenever it is made', async t => {
  const { source, repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const options: ImportOptions = { mtime: { kind: 'clamp', epochSec: 500 } }
  const first = await commit(options)
  for (const name of ['a', 'd/e/f', 'd/e', 'd', ''])
    utimesSync(join(source, name), 900, 900)
  const second = await commit(options)
  t.equal(second.commit.root.tree, first.commit.root.tree)
  t.equal(second.commit.root.mtimeSec, 500)
})

t.test('the parent keeps its times where the content is the same', async t => {
  const { source, repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const first = await commit()
  utimesSync(join(source, 'a'), 900, 900)
  utimesSync(join(source, 'd/e/f'), 900, 900)
  writeFileSync(join(source, 'd/e/f'), 'changed')
  const second = await commit({ mtime: { kind: 'parent' } })
  const at = (root: FsObject, path: string) =>
    lookUpPath(repository, root as never, path) as FsObject
  t.same(at(second.commit.root, 'a'), at(first.commit.root, 'a'))
  t.not(
    at(second.commit.root, 'd/e/f').mtimeNsec,
    at(first.commit.root, 'd/e/f').mtimeNsec,
  )
})

t.test('mtime policies', async t => {
  t.same(parseMtimePolicy('clamp=12'), { kind: 'clamp', epochSec: 12 })
  for (const bad of ['', 'clamp', 'clamp=', 'clamp=x', 'now'])
    t.throws(() => parseMtimePolicy(bad), { code: 'USAGE' })
  const object: FsObject = {
    kind: 'fifo',
    mode: 0o10644,
    uid: 0,
    gid: 0,
    mtimeSec: 12,
    mtimeNsec: 1,
    xattrs: [],
    links: undefined,
  }
  t.match(
    applyMtimePolicy({ kind: 'clamp', epochSec: 12 }, object, undefined),
    { mtimeSec: 12, mtimeNsec: 0 },
  )
  t.equal(
    applyMtimePolicy({ kind: 'clamp', epochSec: 13 }, object, undefined),
    object,
  )
  t.match(
    applyMtimePolicy({ kind: 'parent' }, object, { ...object, mtimeSec: 3 }),
    { mtimeSec: 3 },
  )
  t.match(
    applyMtimePolicy({ kind: 'parent' }, object, {
      ...object,
      mtimeSec: 3,
      uid: 9,
    }),
    { mtimeSec: 12 },
  )
})

t.test('a file whose ctime is as young as the scan is not trusted', async t => {
  const status = {
    mode: 0,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    blocks: 0,
    mtimeSec: 5,
    mtimeNsec: 1,
    ctimeSec: 100,
    ctimeNsec: 500_000_000,
    dev: 0,
    inoHigh: 0,
    inoLow: 0,
    nlink: 1,
    rdevMajor: 0,
    rdevMinor: 0,
  }
  t.ok(isRacy(status, { sec: 100, nsec: 510_000_000 }))
  t.ok(isRacy(status, { sec: 99, nsec: 0 }))
  t.notOk(isRacy(status, { sec: 100, nsec: 530_000_000 }))
  const coarse = { ...status, mtimeNsec: 0, ctimeNsec: 0 }
  t.ok(isRacy(coarse, { sec: 102, nsec: 0 }))
  t.notOk(isRacy(coarse, { sec: 103, nsec: 0 }))
})

t.test(
  'checkout refuses a target that is in use and leaves it alone',
  async t => {
    const directory = t.testdir({ used: { file: 'mine' } })
    const { repository, commit } = setUp(directory)
    t.teardown(() => repository.close())
    const { commit: made } = await commit()
    t.throws(
      () =>
        checkoutTree(repository, made.root, join(directory, 'used'), {
          asUser: true,
        }),
      { code: 'TARGET_EXISTS' },
    )
    t.equal(readFileSync(join(directory, 'used/file'), 'utf8'), 'mine')
  },
)

t.test('a commit whose tree is missing says so', async t => {
  const { repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const { commit: made } = await commit()
  const root = { ...made.root, tree: digestOf(Buffer.from('absent')) }
  t.throws(() => [...walkTree(repository, root)], { code: 'MISSING_OBJECT' })
})
