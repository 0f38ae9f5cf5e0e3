import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { toRefName } from '../refs/ref-name.ts'
import { Repository } from '../store/repository.ts'
import { checkoutTree } from './checkout.ts'
import { commitDirectory } from './commit.ts'

const setUp = async (directory: string) => {
  const source = join(directory, 'source')
  mkdirSync(join(source, 'd'), { recursive: true })
  writeFileSync(join(source, 'a'), 'first')
  writeFileSync(join(source, 'd/one'), 'second')
  writeFileSync(join(source, 'z'), 'last')
  const repository = Repository.create(join(directory, 'repo'))
  const { commit } = await commitDirectory(
    repository,
    {
      ref: toRefName('r'),
      source,
      subject: '',
      body: '',
      metadata: new Map(),
      timeSec: 1,
      autoVersion: undefined,
    },
    { mtime: { kind: 'exact' } },
  )
  return { repository, root: commit.root }
}

const temporaryIn = (directory: string): string =>
  readdirSync(directory).find(name => name.endsWith('.tmp')) as string

t.test('who swaps the directory that is written gets nothing', async t => {
  const directory = t.testdir({ theirs: {}, victim: { d: {}, one: 'safe' } })
  const { repository, root } = await setUp(directory)
  t.teardown(() => repository.close())
  const theirs = join(directory, 'theirs')
  const victim = join(directory, 'victim')
  const before = readdirSync(victim)
  /** Puts a link to the victim where the checkout began. */
  const swap = (): void => {
    const name = temporaryIn(theirs)
    renameSync(join(theirs, name), join(theirs, 'moved'))
    symlinkSync(victim, join(theirs, name))
  }
  let isFirst = true
  const once = () => {
    if (isFirst) swap()
    isFirst = false
  }
  t.throws(
    () =>
      checkoutTree(repository, root, join(theirs, 'out'), { onProgress: once }),
    { code: 'TARGET_EXISTS' },
  )
  t.same(readdirSync(victim), before)
  t.same(readdirSync(join(victim, 'd')), [])
  t.equal(readFileSync(join(theirs, 'moved/z'), 'utf8'), 'last')
})

t.test(
  'a checkout that fails removes what it made, and that alone',
  async t => {
    const directory = t.testdir({ theirs: {}, victim: { one: 'safe' } })
    const { repository, root } = await setUp(directory)
    t.teardown(() => repository.close())
    const theirs = join(directory, 'theirs')
    const out = join(theirs, 'out')
    const fail = () => {
      throw new Error('stopped')
    }
    t.throws(() => checkoutTree(repository, root, out, { onProgress: fail }))
    t.same(readdirSync(theirs), [])
    const swapAndFail = () => {
      const name = temporaryIn(theirs)
      renameSync(join(theirs, name), join(theirs, 'moved'))
      renameSync(join(directory, 'victim'), join(theirs, name))
      fail()
    }
    t.throws(() =>
      checkoutTree(repository, root, out, { onProgress: swapAndFail }),
    )
    t.equal(
      readFileSync(join(theirs, temporaryIn(theirs), 'one'), 'utf8'),
      'safe',
    )
  },
)

t.test(
  'an empty directory is filled itself, and is as it was when that fails',
  async t => {
    const directory = t.testdir({ empty: {} })
    const { repository, root } = await setUp(directory)
    t.teardown(() => repository.close())
    const empty = join(directory, 'empty')
    const { ino, mode } = statSync(empty)
    let isPrivate = false
    const fail = () => {
      isPrivate = (statSync(empty).mode & 0o777) === 0o700
      throw new Error('stopped')
    }
    t.throws(() => checkoutTree(repository, root, empty, { onProgress: fail }))
    t.ok(isPrivate)
    t.same(readdirSync(empty), [])
    t.equal(statSync(empty).mode, mode)
    symlinkSync('empty', join(directory, 'link'))
    checkoutTree(repository, root, join(directory, 'link/'))
    t.equal(statSync(empty).ino, ino)
    t.ok(lstatSync(join(directory, 'link')).isSymbolicLink())
    t.equal(readFileSync(join(empty, 'd/one'), 'utf8'), 'second')
  },
)

t.test('what is in the way is told before anything is written', async t => {
  const directory = t.testdir({ file: 'x', full: { file: 'x' } })
  const { repository, root } = await setUp(directory)
  t.teardown(() => repository.close())
  symlinkSync('nowhere', join(directory, 'dangling'))
  const before = readdirSync(directory)
  for (const name of ['file', 'full', 'dangling', 'absent/out'])
    t.throws(() => checkoutTree(repository, root, join(directory, name)), {
      code: name === 'absent/out' ? 'NOT_FOUND' : 'TARGET_EXISTS',
    })
  t.same(readdirSync(directory), before)
  t.notOk(existsSync(join(directory, 'nowhere')))
})
