/**
 * Repositories as programs before this one wrote them, kept as bytes: each is
 * opened, listed, read, checked out, checked, committed to and pruned.
 *
 * They were made once, by scripts/testing/make-capsules of their time, and are
 * never made again.
 */

import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import type { FileObject, FsObject } from '../objects/fs-object.ts'
import { nlinkOf } from '../objects/fs-object.ts'
import { toRefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { firstParents, resolveRevision } from '../refs/revision.ts'
import { findRepository } from '../store/layout.ts'
import { listHolds } from '../store/holds.ts'
import { Repository } from '../store/repository.ts'
import { checkoutTree } from '../tree/checkout.ts'
import { commitDirectory } from '../tree/commit.ts'
import { requirePath } from '../tree/lookup.ts'
import { readRange } from '../tree/read-file.ts'
import { isWhole, StatCache } from '../tree/stat-cache.ts'
import { checkRepository } from './fsck.ts'
import { pruneRepository } from './prune.ts'

const base = mkdtempSync(join(tmpdir(), 'dendro-capsules-'))
t.teardown(() => rmSync(base, { recursive: true, force: true }))

let taken = 0
/** A new copy of the repository of format 1. */
const unpack = (): string => {
  const directory = join(base, String(taken++))
  mkdirSync(directory)
  const capsule = resolve('src/upkeep/capsules/repository-1.tar.gz')
  const { status, stderr } = spawnSync(
    'tar',
    ['-xzf', capsule, '--no-same-owner', '-C', directory],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`tar: ${stderr}`)
  return join(directory, 'repository/repo')
}

const FIRST = 'f3cc2434ce8bb73b7f75ac355235dc441feb1e7976afc0140ed5e43d6c32ca0c'
const SECOND =
  'eb5dde98e034079d529871d77eb5237ff55c07c61faf433ae8deaf827b34bbeb'
const hex = (digest: string): string =>
  Buffer.from(digest, 'latin1').toString('hex')

const read = (repository: Repository, object: FsObject): Buffer => {
  const file = object as FileObject
  const bytes = Buffer.alloc(file.sizeBytes)
  readRange(repository, file, 0, bytes)
  return bytes
}

t.test('its names, its history and its holds', async t => {
  const repository = Repository.open(unpack())
  t.teardown(() => repository.close())
  t.equal(repository.config.version, 1)
  const names = (kind: 'refs' | 'tags') =>
    new RefStore(repository.paths, kind)
      .list()
      .map(({ name, commit }) => [name, hex(commit)])
  t.same(names('refs'), [['os/one', SECOND]])
  t.same(names('tags'), [['kept', FIRST]])
  const second = resolveRevision(repository, 'os/one')
  t.same(
    [...firstParents(repository, second)].map(({ commit }) => [
      commit.subject,
      commit.metadata.get('version'),
      commit.summary.files,
    ]),
    [
      ['second', '2', 5],
      ['first', '1', 5],
    ],
  )
  t.equal(hex(resolveRevision(repository, 'os/one@{1}')), FIRST)
  t.same(
    listHolds(repository.paths).map(hold => hex(hold.commit)),
    [FIRST],
  )
})

t.test('its files', async t => {
  const repository = Repository.open(unpack())
  t.teardown(() => repository.close())
  const commit = repository.commits.load(resolveRevision(repository, 'kept'))
  const find = (path: string) => requirePath(repository, commit.root, path)
  t.equal(read(repository, find('hello')).toString(), 'hello\n')
  t.equal(read(repository, find('usr/share/caf\xe9')).toString(), 'not UTF-8\n')
  t.same(find('usr/share/linked'), find('hello'))
  t.equal(nlinkOf(find('hello')), 2)
  t.match(find('usr/share/link'), { kind: 'symlink', target: '../../hello' })
  t.match(find('null'), { kind: 'char', major: 1, minor: 3 })
  t.match(find('fifo'), {
    kind: 'fifo',
    mtimeSec: Date.UTC(2024, 1, 3, 4, 5, 6) / 1000,
    mtimeNsec: 7,
  })
  t.same(
    find('attributes').xattrs.map(({ name }) => name),
    ['system.posix_acl_access', 'user.note'],
  )
  const numbers = Array.from(
    { length: 120_001 },
    (_, i) => `${i + 1_000_000}\n`,
  )
  t.equal(read(repository, find('large')).toString(), numbers.join(''))
  const sparse = read(repository, find('sparse'))
  t.match(find('sparse'), { sizeBytes: 3 * 1024 * 1024 })
  t.ok((find('sparse') as FileObject).dataBytes < 300_000)
  t.equal(sparse.toString('latin1', 1_000_000, 1_000_006), 'middle')
  t.equal(sparse.filter(byte => byte !== 0).length, 6)
})

t.test('it is checked out, whole, and nothing in it is damaged', async t => {
  const path = unpack()
  const repository = Repository.open(path)
  t.teardown(() => repository.close())
  const commit = repository.commits.load(resolveRevision(repository, 'os/one'))
  const target = join(base, 'out')
  checkoutTree(repository, commit.root, target, { asUser: true })
  t.equal(readFileSync(join(target, 'hello'), 'utf8'), 'hello again\n')
  t.equal(statSync(join(target, 'usr/share/linked')).nlink, 2)
  const result = checkRepository(repository)
  t.same(result.findings, [])
  t.equal(result.commits, 2)
})

t.test('its stat cache is read', async t => {
  const path = unpack()
  const { paths } = findRepository(path)
  const [name = ''] = readdirSync(join(path, 'cache'))
  const bytes = readFileSync(join(path, 'cache', name))
  t.ok(isWhole(bytes))
  const head = new MsgpackReader(bytes, 'stat cache')
  t.equal(head.text(32), 'stat-cache-4')
  const origin = { id: head.text(1024), device: '' }
  const source = '/tmp/dendro-capsules/repository/tree'
  const cache = StatCache.load(paths.cache, source, origin)
  t.notOk(cache.isEmpty)
  t.ok(cache.directory('usr/share').stored.records.length > 0)
})

t.test('it is committed to and pruned', async t => {
  const repository = Repository.open(unpack())
  t.teardown(() => repository.close())
  const source = join(base, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'hello'), 'hello\n')
  const { id } = await commitDirectory(
    repository,
    {
      ref: toRefName('os/one'),
      source,
      subject: 'third',
      body: '',
      metadata: new Map(),
      timeSec: 1_800_000_000,
    },
    { mtime: { kind: 'exact' } },
  )
  t.equal(hex(repository.commits.load(id).parents[0] ?? ''), SECOND)
  await pruneRepository(repository, { rules: { last: 1 } })
  // The tag and the hold keep the first.
  t.same(repository.commits.list().map(hex).sort(), [FIRST, hex(id)].sort())
  t.same(checkRepository(repository).findings, [])
})
