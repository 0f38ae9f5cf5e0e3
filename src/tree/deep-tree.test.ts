/** Directories below one another: as deep as a commit takes them, and deeper. */

import { closeSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { MAX_DEPTH } from '../objects/limits.ts'
import { toRefName } from '../refs/ref-name.ts'
import { Repository } from '../store/repository.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { removeTree } from '../system/remove-tree.ts'
import { pathsNeeding, Reachability } from '../upkeep/reachability.ts'
import { commitDirectory } from './commit.ts'
import { diffTrees } from './diff.ts'
import { walkTree } from './walk.ts'

/** Makes `depth` directories below one another, and a file in the last. */
const makeDeep = (path: string, depth: number): void => {
  mkdirSync(path)
  let directory = DirectoryHandle.open(Buffer.from(path))
  for (let i = 0; i < depth; i++) {
    mkdirSync(directory.at('d'))
    const next = directory.child('d')
    directory.close()
    directory = next
  }
  const { O_CREAT, O_WRONLY } = constants
  closeSync(directory.openFile('bottom', O_CREAT | O_WRONLY, 0o644))
  directory.close()
}

t.test('at the limit a tree is committed, walked and compared', async t => {
  const directory = t.testdir()
  const source = join(directory, 'source')
  const repository = Repository.create(join(directory, 'repo'))
  t.teardown(() => repository.close())
  makeDeep(source, MAX_DEPTH)
  const commit = (path: string) =>
    commitDirectory(
      repository,
      {
        ref: toRefName('r'),
        source: path,
        subject: '',
        body: '',
        metadata: new Map(),
      },
      { mtime: { kind: 'exact' } },
    )
  // What removes the test's directory goes by paths, and cannot.
  const { commit: deep, summary } = await commit(source).finally(() =>
    removeTree(latin1ToBytes(source)),
  )
  t.match(summary, { files: 1, directories: MAX_DEPTH + 1 })
  const entries = [...walkTree(repository, deep.root)]
  t.equal(entries.length, MAX_DEPTH + 1)
  t.match(entries.at(-1)?.path, /^(d\/){2048}bottom$/)
  mkdirSync(join(directory, 'empty'))
  const { commit: empty } = await commit(join(directory, 'empty'))
  const kinds = new Map<string, number>()
  const count = ({ kind }: { kind: string }) =>
    void kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  diffTrees(repository, empty.root, deep.root, count)
  diffTrees(repository, deep.root, empty.root, count)
  t.equal(kinds.get('A'), MAX_DEPTH + 1)
  t.equal(kinds.get('D'), MAX_DEPTH + 1)
  const reached = new Reachability(repository)
  reached.add(deep.root)
  t.equal(reached.objects.size, MAX_DEPTH + 1)
  const bottom = entries.at(-2)?.object
  if (bottom?.kind !== 'directory') throw new Error('no directory there')
  const bad = new Set([bottom.tree])
  const paths = pathsNeeding(repository, deep.root, {
    bad,
    limit: 5,
    clean: new Set(),
  })
  t.match(paths.get(bottom.tree)?.[0], /^(d\/){2047}d$/)
})

t.test('one deeper, and very much deeper, is refused by name', async t => {
  const directory = t.testdir()
  const repository = Repository.create(join(directory, 'repo'))
  t.teardown(() => repository.close())
  for (const depth of [MAX_DEPTH + 1, 20_000]) {
    const source = join(directory, `source${depth}`)
    makeDeep(source, depth)
    const failure = await commitDirectory(
      repository,
      {
        ref: toRefName('r'),
        source,
        subject: '',
        body: '',
        metadata: new Map(),
      },
      { mtime: { kind: 'exact' } },
    ).then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    removeTree(latin1ToBytes(source))
    t.match(failure, {
      code: 'LIMIT_EXCEEDED',
      message: /directories are nested 2049 deep, more than 2048/,
    })
    t.ok((failure?.message.length ?? 0) < 5000)
    t.ok(failure?.message.includes(source))
  }
})
