import { join } from 'node:path'
import t from 'tap'
import { encodeCommit } from '../objects/commit.ts'
import { digestOf, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { Repository } from '../store/repository.ts'
import { toRefName } from './ref-name.ts'
import { RefStore } from './ref-store.ts'
import {
  firstParents,
  resolveRevision,
  parseRevision,
  refOf,
} from './revision.ts'

const DAY = 86_400

const commitOf = (
  repository: Repository,
  n: number,
  parent: Digest | undefined,
): Digest =>
  repository.commits.put(
    encodeCommit({
      root: {
        kind: 'directory',
        mode: 0o40755,
        uid: 0,
        gid: 0,
        mtimeSec: 0,
        mtimeNsec: 0,
        xattrs: [],
        tree: digestOf(Buffer.from('t')),
        subdirectories: 0,
      },
      parents: parent === undefined ? [] : [parent],
      timeSec: n * DAY + 100,
      subject: `commit ${n}`,
      body: '',
      metadata: new Map([['version', `23.${n}`]]),
      summary: {
        files: 0,
        directories: 1,
        others: 0,
        logicalBytes: 0,
        xattrNames: [],
      },
    }),
  )

const makeHistory = (directory: string) => {
  const repository = Repository.create(join(directory, 'repo'))
  const ids: Digest[] = []
  for (let n = 0; n < 5; n++) ids.push(commitOf(repository, n, ids.at(-1)))
  const refs = new RefStore(repository.paths, 'refs')
  refs.set(toRefName('fedora/40/base'), ids[4] as Digest)
  return { repository, ids, refs }
}

t.test('names', async t => {
  for (const good of ['a', 'fedora/40/x86_64/base', 'größe', 'a.b', 'a@b'])
    t.equal(toRefName(good), good)
  for (const bad of [
    '',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/..',
    'a\0',
    'a\nb',
    '-a',
    'a^',
    'a~1',
    'a:b',
    'a@{1}',
    'a.tmp',
    'x'.repeat(300),
  ])
    t.throws(
      () => toRefName(bad),
      { code: 'INVALID_REF_NAME' },
      JSON.stringify(bad),
    )
  t.throws(() => toRefName('caf\udce9^'), {
    message: /^bad ref name \$'caf\\351\^': /,
  })
  t.throws(() => toRefName(''), { message: /^bad ref name '': / })
})

t.test('every form of a revision', async t => {
  const { repository, ids } = makeHistory(t.testdir())
  t.teardown(() => repository.close())
  new RefStore(repository.paths, 'tags').set(
    toRefName('golden'),
    ids[2] as Digest,
  )
  const last = digestToHex(ids[4] as Digest)
  const expected: readonly [string, number][] = [
    ['fedora/40/base', 4],
    [last, 4],
    [last.slice(0, 8), 4],
    ['golden', 2],
    ['golden^', 1],
    ['fedora/40/base^', 3],
    ['fedora/40/base^^', 2],
    ['fedora/40/base~3', 1],
    ['fedora/40/base~', 3],
    ['fedora/40/base@{23.2}', 2],
    ['fedora/40/base@{23.2}^', 1],
    ['fedora/40/base@{1970-01-03}', 2],
    ['fedora/40/base@{2026-01-27}', 4],
  ]
  for (const [text, n] of expected)
    t.equal(resolveRevision(repository, text), ids[n], text)
  const unknown = [
    '',
    'nope',
    'fedora',
    'fedora/40/base~9',
    'fedora/40/base@{9}',
    'fedora/40/base@{1960-01-01}',
    'golden?',
    'golden^x',
    '../config',
    'a\0',
    'abcdef01',
  ]
  for (const text of unknown)
    t.throws(
      () => resolveRevision(repository, text),
      { code: 'UNKNOWN_REVISION' },
      JSON.stringify(text),
    )
  t.same(
    [...firstParents(repository, ids[2] as Digest)].map(step => step.id),
    [ids[2], ids[1], ids[0]],
  )
})

t.test(
  'a revision is taken apart in one place, at an @{ and no other @',
  async t => {
    const { repository, ids, refs } = makeHistory(t.testdir())
    t.teardown(() => repository.close())
    const parts: readonly [string, string, string][] = [
      ['a@b', 'a@b', ''],
      ['a@b~1', 'a@b', '~1'],
      ['a@b@{23.2}^', 'a@b', '@{23.2}^'],
      ['a@@b^^', 'a@@b', '^^'],
      ['~1', '', '~1'],
    ]
    for (const [revision, base, steps] of parts)
      t.same(parseRevision(revision), { base, steps }, revision)
    refs.set(toRefName('a@b'), ids[4] as Digest)
    for (const revision of ['a@b', 'a@b~1', 'a@b@{23.2}']) {
      t.equal(refOf(repository, revision), 'a@b')
      resolveRevision(repository, revision)
    }
    t.equal(refOf(repository, 'a'), undefined)
    t.equal(refOf(repository, digestToHex(ids[4] as Digest)), undefined)
  },
)

t.test('refs move, list, conflict and go', async t => {
  const { repository, ids, refs } = makeHistory(t.testdir())
  t.teardown(() => repository.close())
  refs.set(toRefName('a'), ids[0] as Digest)
  refs.set(toRefName('a'), ids[1] as Digest)
  t.equal(refs.get(toRefName('a')), ids[1])
  t.same(
    refs.list().map(ref => ref.name),
    ['a', 'fedora/40/base'],
  )
  t.same(
    refs.list('fedora').map(ref => ref.name),
    ['fedora/40/base'],
  )
  t.same(refs.list('fed'), [])
  t.throws(() => refs.set(toRefName('a/b'), ids[0] as Digest), {
    code: 'REF_CONFLICT',
  })
  t.throws(() => refs.set(toRefName('fedora/40'), ids[0] as Digest), {
    code: 'REF_CONFLICT',
  })
  for (const name of [`long/${'n'.repeat(255)}`, '\u{1f333}'.repeat(63)]) {
    refs.set(toRefName(name), ids[0] as Digest)
    t.equal(refs.get(toRefName(name)), ids[0], 'a name of as many bytes as fit')
  }
  t.ok(refs.remove(toRefName('a')))
  t.notOk(refs.remove(toRefName('a')))
})
