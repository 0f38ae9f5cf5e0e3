/**
 * Somebody exchanges what is in a source while it is committed: what is outside
 * of it is never read.
 */

import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { FileObject } from '../objects/fs-object.ts'
import { S_IFSOCK } from '../objects/mode.ts'
import { toRefName } from '../refs/ref-name.ts'
import { Repository } from '../store/repository.ts'
import { shim } from '../system/native.ts'
import { commitDirectory } from './commit.ts'
import type { ImportProgress } from './import-options.ts'
import { lookUpPath } from './lookup.ts'
import { readContent } from './read-file.ts'
import { walkTree } from './walk.ts'

const SECRET = 'what only root may read\n'

const setUp = (directory: string) => {
  const source = join(directory, 'source')
  const outside = join(directory, 'outside')
  mkdirSync(join(source, 'd'), { recursive: true })
  mkdirSync(outside)
  for (const name of ['one', 'two']) {
    writeFileSync(join(source, 'd', name), `harmless ${name}\n`)
    writeFileSync(join(outside, name), SECRET)
  }
  symlinkSync('harmless', join(source, 'd/three'))
  symlinkSync(SECRET, join(outside, 'three'))
  writeFileSync(join(source, 'before'), 'before\n')
  const repository = Repository.create(join(directory, 'repo'))
  const commit = (
    onProgress: (progress: ImportProgress) => void,
    allowChanging = false,
    onSkipped: (path: string) => void = () => undefined,
  ) =>
    commitDirectory(
      repository,
      {
        ref: toRefName('r'),
        source,
        subject: '',
        body: '',
        metadata: new Map(),
      },
      { mtime: { kind: 'exact' }, allowChanging, onProgress, onSkipped },
    )
  /** Puts a link in the place of a directory. */
  const swap = () => {
    renameSync(join(source, 'd'), join(directory, 'moved'))
    symlinkSync(outside, join(source, 'd'))
  }
  const contentOf = (root: FileObject | undefined) =>
    root === undefined
      ? undefined
      : [...readContent(repository, root)]
          .map(({ bytes }) => bytes?.toString() ?? '')
          .join('')
  return { source, directory, repository, commit, swap, contentOf }
}

/** Calls `work` when so many files were read. */
const afterFiles = (count: number, work: () => void) => {
  let isDone = false
  return ({ phase, files }: ImportProgress): void => {
    if (phase !== 'read' || files < count || isDone) return
    isDone = true
    work()
  }
}

t.test('a directory that becomes a link is not followed', async t => {
  const { repository, commit, swap } = setUp(t.testdir())
  t.teardown(() => repository.close())
  await t.rejects(commit(afterFiles(1, swap)), { code: 'SOURCE_CHANGED' })
})

t.test('with --allow-changing it is left out', async t => {
  const { repository, commit, swap } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const skipped: string[] = []
  const { commit: made } = await commit(
    afterFiles(1, swap),
    true,
    path => void skipped.push(path),
  )
  const paths = [...walkTree(repository, made.root)].map(({ path }) => path)
  t.same(paths, ['before'])
  t.same(skipped, ['d/one', 'd/three', 'd/two', 'd'])
})

t.test('a directory that is open is the one that was scanned', async t => {
  const { repository, commit, swap, contentOf } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const { commit: made } = await commit(afterFiles(2, swap))
  const object = (path: string) => lookUpPath(repository, made.root, path)
  for (const name of ['one', 'two'])
    t.equal(contentOf(object(`d/${name}`) as FileObject), `harmless ${name}\n`)
  t.match(object('d/three'), { kind: 'symlink', target: 'harmless' })
})

t.test('another directory in the place of one is refused', async t => {
  const { source, directory, repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const swap = () => {
    renameSync(join(source, 'd'), join(directory, 'moved'))
    renameSync(join(directory, 'outside'), join(source, 'd'))
  }
  await t.rejects(commit(afterFiles(1, swap)), {
    code: 'SOURCE_CHANGED',
    message: /replaced/,
  })
})

t.test('another file in the place of one is refused', async t => {
  const { source, directory, repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  const swap = () => {
    renameSync(join(directory, 'outside/two'), join(source, 'd/two'))
  }
  await t.rejects(commit(afterFiles(2, swap)), { code: 'SOURCE_CHANGED' })
})

t.test('what is no file any more is no file of the commit', async t => {
  const replacements: ((path: string) => void)[] = [
    path => execFileSync('mkfifo', [path]),
    path => mkdirSync(path),
    path => symlinkSync('/dev/zero', path),
    path => void shim().mknod(Buffer.from(path), S_IFSOCK | 0o600, 0, 0),
  ]
  for (const [i, replace] of replacements.entries()) {
    const { source, repository, commit } = setUp(t.testdir())
    const path = join(source, 'd/two')
    const swap = () => {
      rmSync(path)
      replace(path)
    }
    await t.rejects(commit(afterFiles(2, swap)), { code: 'SOURCE_CHANGED' })
    rmSync(path, { recursive: true })
    writeFileSync(path, 'harmless\n')
    const skipped: string[] = []
    await commit(afterFiles(2, swap), true, name => void skipped.push(name))
    t.same(skipped, ['d/two'], `replacement ${i}`)
    repository.close()
  }
})

t.test('a scan does not follow a link that comes meanwhile', async t => {
  const { source, repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  for (let i = 0; i < 600; i++) writeFileSync(join(source, `f${i}`), '')
  mkdirSync(join(source, 'z/below'), { recursive: true })
  let isDone = false
  const swap = () => {
    if (isDone) return
    isDone = true
    rmSync(join(source, 'z'), { recursive: true })
    symlinkSync('../outside', join(source, 'z'))
  }
  const { commit: made } = await commit(({ phase }) => {
    if (phase === 'scan') swap()
  })
  t.ok(isDone)
  t.match(lookUpPath(repository, made.root, 'z'), { kind: 'symlink' })
  t.equal(readFileSync(join(source, 'z/one'), 'utf8'), SECRET)
})

t.test('what vanishes from under a scan is left out on request', async t => {
  const { source, repository, commit } = setUp(t.testdir())
  t.teardown(() => repository.close())
  for (let i = 0; i < 600; i++) writeFileSync(join(source, `f${i}`), '')
  writeFileSync(join(source, 'z'), '')
  const remove = ({ phase }: ImportProgress) => {
    if (phase === 'scan') rmSync(join(source, 'z'), { force: true })
  }
  await t.rejects(commit(remove), { code: 'SOURCE_CHANGED' })
  writeFileSync(join(source, 'z'), '')
  const skipped: string[] = []
  await commit(remove, true, path => void skipped.push(path))
  t.same(skipped, ['z'])
})
