import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { crc32 } from '../bytes/crc32.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { toRefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { firstParents } from '../refs/revision.ts'
import { writeGrafts } from '../store/grafts.ts'
import { INDEX_ENTRY_BYTES, INDEX_HEADER_BYTES } from '../store/index-format.ts'
import { Repository } from '../store/repository.ts'
import { checkoutTree } from '../tree/checkout.ts'
import { commitDirectory } from '../tree/commit.ts'
import { checkRepository } from './fsck.ts'
import { pruneRepository } from './prune.ts'
import { repairRepository } from './repair.ts'
import { globMatches, retain } from './retention.ts'
import type { HistoryCommit, RetentionRules } from './retention.ts'

const base = mkdtempSync(join(tmpdir(), 'dendro-upkeep-'))
t.teardown(() => rmSync(base, { recursive: true, force: true }))
let made = 0

const noise = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = seed + 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

const ref = toRefName('r')

const commit = (repository: Repository, source: string, timeSec: number) =>
  commitDirectory(
    repository,
    { ref, source, subject: '', body: '', metadata: new Map(), timeSec },
    { mtime: { kind: 'exact' } },
  )

interface Made {
  readonly path: string
  readonly source: string
  readonly repository: Repository
  readonly ids: Digest[]
}

/** A repository of `count` commits, each with a file of its own. */
const make = async (count: number): Promise<Made> => {
  const path = join(base, `repo${made}`)
  const source = join(base, `source${made++}`)
  mkdirSync(join(source, 'dir'), { recursive: true })
  writeFileSync(join(source, 'large'), noise(600_000, 5))
  const repository = Repository.create(path)
  const ids: Digest[] = []
  for (let i = 0; i < count; i++) {
    if (i > 0) writeFileSync(join(source, 'dir', 'own'), noise(50_000, 100 + i))
    ids.push((await commit(repository, source, 86_400 * i)).id)
  }
  return { path, source, repository, ids }
}

const damageIn = (path: string): string[] => {
  const repository = Repository.open(path, { isTolerant: true })
  const { findings } = checkRepository(repository)
  repository.close()
  return findings
    .filter(({ severity }) => severity === 'damage')
    .map(({ message }) => message)
}

const repositoryBytes = (path: string): number => {
  let sum = 0
  for (const name of ['packs', 'index', 'commits', 'tags', 'refs'])
    for (const file of readdirSync(join(path, name)))
      sum += statSync(join(path, name, file)).size
  return (
    sum + (statSync(join(path, 'grafts'), { throwIfNoEntry: false })?.size ?? 0)
  )
}

t.test('rules of retention', t => {
  const history = (...times: number[]): HistoryCommit[] =>
    times.map(timeSec => ({ id: `c${timeSec}` as Digest, timeSec }))
  const day = 86_400
  const commits = history(
    9 * day + 50,
    9 * day + 10,
    8 * day,
    3 * day,
    2 * day,
    day / 2,
  )
  const kept = (rules: RetentionRules, tags: [string, number][] = []) => {
    const result = retain(
      {
        histories: [commits],
        tags: tags.map(([name, time]) => ({
          name,
          commit: `c${time}` as Digest,
        })),
        held: [],
        historyOf: () => [],
      },
      rules,
    )
    return [[...result.kept.keys()].sort(), result.droppedTags]
  }
  const all = commits.map(({ id }) => id).sort()
  t.same(kept({}), [all, []])
  t.same(kept({ last: 2 })[0], all.slice(-2))
  t.same(kept({ last: 99 })[0], all)
  t.same(kept({ daily: 2 })[0], ['c691200', 'c777650'])
  t.same(
    kept({ daily: 9 })[0],
    all.filter(id => id !== 'c777610'),
  )
  t.same(kept({ weekly: 2 })[0], ['c259200', 'c777650'].sort())
  t.same(kept({ last: 1 }, [['v1', 43200]])[0], ['c43200', 'c777650'])
  t.same(
    kept({ tags: ['v*'] }, [
      ['v1', 43200],
      ['x', 172800],
    ]),
    [['c43200', 'c777650'], ['x']],
  )
  t.ok(globMatches('release/*', 'release/1.0/x'))
  t.ok(globMatches('v?.1', 'v2.1'))
  t.notOk(globMatches('v?.1', 'v2x1'))
  t.notOk(globMatches('v', 'vv'))
  t.end()
})

t.test('a dry run tells exactly what a prune frees', async t => {
  const { path, repository, ids } = await make(6)
  await repository.publish([], () =>
    new RefStore(repository.paths, 'tags').set(
      toRefName('old'),
      ids[0] as Digest,
    ),
  )
  for (const rules of [{ last: 3 }, { last: 1, tags: ['none'] }]) {
    const before = repositoryBytes(path)
    const said = await pruneRepository(repository, { rules, isDryRun: true })
    t.equal(repositoryBytes(path), before, 'a dry run changes nothing')
    const done = await pruneRepository(repository, { rules })
    t.same(done, said)
    t.equal(before - repositoryBytes(path), done.freedBytes)
    t.ok(done.freedBytes > 50_000)
    t.same(damageIn(path), [])
  }
  t.same(
    [...firstParents(repository, ids[5] as Digest)].map(({ id }) => id),
    [ids[5]],
  )
  const again = await pruneRepository(repository, { rules: { last: 1 } })
  t.equal(again.freedBytes, 0, 'nothing is left to free')
  repository.close()
})

t.test('a repack makes one smaller pack of each kind of many', async t => {
  const { path, source, repository, ids } = await make(1)
  for (let i = 1; i < 4; i++) {
    const text = Array.from({ length: 9000 }, (_, n) => `${(n * i) % 997} line`)
    writeFileSync(join(source, 'dir', 'text'), text.join('\n'))
    ids.push((await commit(repository, source, i)).id)
  }
  const packs = () => readdirSync(join(path, 'packs')).length
  t.ok(packs() > 2)
  const before = repositoryBytes(path)
  const options = { rules: {}, repackLevel: 19 }
  const said = await pruneRepository(repository, { ...options, isDryRun: true })
  t.equal(repositoryBytes(path), before)
  const done = await pruneRepository(repository, options)
  t.same(done, said)
  t.ok(done.freedBytes > 1000)
  t.equal(before - repositoryBytes(path), done.freedBytes)
  t.equal(packs(), 2)
  t.same(damageIn(path), [])
  const out = join(base, 'repacked')
  const { root } = repository.commits.load(ids[3] as Digest)
  checkoutTree(repository, root, out)
  t.same(
    readFileSync(join(out, 'dir', 'text')),
    readFileSync(join(source, 'dir', 'text')),
  )
  repository.close()
})

t.test('history goes on behind what was pruned', async t => {
  const { path, repository, ids } = await make(9)
  await pruneRepository(repository, { rules: { weekly: 9 } })
  const left = [...firstParents(repository, ids[8] as Digest)]
  t.same(
    left.map(({ id }) => id),
    [ids[8], ids[3]],
  )
  t.same(damageIn(path), [])
  await pruneRepository(repository, { rules: { last: 1 } })
  t.equal([...firstParents(repository, ids[8] as Digest)].length, 1)
  t.same(damageIn(path), [])
  repository.close()
})

t.test('what a mount uses stays', async t => {
  const { path, repository, ids } = await make(3)
  const hex = (id: Digest | undefined) =>
    Buffer.from(id ?? '', 'latin1').toString('hex')
  const done = await pruneRepository(repository, {
    rules: { last: 1 },
    inUse: commits => {
      t.equal(commits.length, 2)
      return Promise.resolve([hex(ids[0])])
    },
  })
  t.same(done.inUse, [ids[0]])
  t.same(done.removedCommits, [ids[1]])
  t.ok(repository.commits.has(ids[0] as Digest))
  t.same(damageIn(path), [])
  repository.close()
})

t.test('a prune of a damaged repository removes nothing', async t => {
  const { path, repository } = await make(3)
  repository.close()
  for (const name of readdirSync(join(path, 'packs')))
    truncateSync(join(path, 'packs', name), 60)
  const before = readdirSync(join(path, 'commits'))
  const opened = Repository.open(path)
  await t.rejects(pruneRepository(opened, { rules: { last: 1 } }), {
    message: /^cannot prune: damaged/,
  })
  t.same(readdirSync(join(path, 'commits')), before)
  opened.close()
})

/** Cuts or rewrites every large pack of a repository. */
const ruin = (path: string, how: (file: string) => void): void => {
  for (const name of readdirSync(join(path, 'packs'))) {
    const file = join(path, 'packs', name)
    if (statSync(file).size > 100_000) how(file)
  }
}

const flip = (file: string): void => {
  const bytes = readFileSync(file)
  const at = Math.floor(bytes.length / 2)
  bytes[at] = (bytes[at] as number) ^ 1
  writeFileSync(file, bytes)
}

t.test('a check names the commits and paths that damage touches', async t => {
  const { path, repository, ids } = await make(2)
  repository.close()
  ruin(path, flip)
  const opened = Repository.open(path)
  const { findings } = checkRepository(opened)
  const [hit] = findings.filter(({ affected }) => affected !== undefined)
  t.equal(hit?.subject, 'object')
  t.match(hit?.message, /^chunk [0-9a-f]{64} is damaged/)
  t.same(
    hit?.affected?.map(({ commit: id, paths }) => [id, paths]).sort(),
    ids.map(id => [id, ['large']]).sort(),
  )
  opened.close()
})

for (const [name, how] of [
  ['a flipped bit', flip],
  ['a torn tail', (file: string) => truncateSync(file, 300_000)],
  ['a lost pack', (file: string) => rmSync(file)],
] as const)
  t.test(`${name} is repaired from a checkout and a repository`, async t => {
    const { path, repository, ids } = await make(3)
    const tip = ids[2] as Digest
    const checkout = join(base, `checkout${made}`)
    checkoutTree(repository, repository.commits.load(tip).root, checkout)
    repository.close()
    const copy = join(base, `copy${made}`)
    cpSync(path, copy, { recursive: true })
    for (const from of [checkout, copy]) {
      const damaged = join(base, `damaged${made++}`)
      cpSync(path, damaged, { recursive: true })
      ruin(damaged, how)
      t.ok(damageIn(damaged).length > 0)
      const opened = Repository.open(damaged, { isTolerant: true })
      const alone = await repairRepository(opened)
      t.ok(
        alone.after.findings.some(({ severity }) => severity === 'damage'),
        'alone it cannot be whole',
      )
      opened.close()
      const again = Repository.open(damaged, { isTolerant: true })
      const { after, recovered } = await repairRepository(again, {
        from: [from],
      })
      t.same(after.findings, [])
      t.ok(recovered > 0)
      t.same(damageIn(damaged), [])
      again.close()
    }
  })

t.test('lost commits and packs come back from a repository', async t => {
  const { path, repository, ids } = await make(3)
  repository.close()
  const copy = join(base, `copy${made++}`)
  cpSync(path, copy, { recursive: true })
  const packs = readdirSync(join(copy, 'packs')).sort(
    (a, b) =>
      statSync(join(copy, 'packs', a)).size -
      statSync(join(copy, 'packs', b)).size,
  )
  for (const lost of [packs, packs.slice(0, 3), packs.slice(3)])
    for (const lostCommits of [ids.slice(0, 2), ids.slice(1)]) {
      const damaged = join(base, `damaged${made++}`)
      cpSync(copy, damaged, { recursive: true })
      for (const id of lostCommits)
        rmSync(join(damaged, 'commits', digestToHex(id)))
      for (const name of lost) rmSync(join(damaged, 'packs', name))
      const opened = Repository.open(damaged, { isTolerant: true })
      const { after } = await repairRepository(opened, { from: [copy] })
      t.same(
        after.findings.filter(({ severity }) => severity === 'damage'),
        [],
      )
      t.equal([...firstParents(opened, ids[2] as Digest)].length, 3)
      opened.close()
    }
})

t.test('what is in quarantine is stored anew by the next commit', async t => {
  const { path, source, repository } = await make(1)
  repository.close()
  ruin(path, flip)
  const opened = Repository.open(path)
  const { quarantine } = await import('../store/quarantine.ts')
  const { wanted } = checkRepository(opened)
  t.ok(wanted.size > 0)
  for (const digest of wanted.keys()) {
    try {
      opened.lease().read(digest)
      t.fail('damage was read')
    } catch (error) {
      quarantine(opened, error as never)
    }
  }
  writeFileSync(join(source, 'large'), noise(600_000, 5))
  await commitDirectory(
    opened,
    { ref, source, subject: '', body: '', metadata: new Map() },
    { mtime: { kind: 'exact' }, ignoreStatCache: true },
  )
  opened.close()
  const healed = Repository.open(path)
  for (const digest of wanted.keys())
    t.doesNotThrow(() => healed.lease().read(digest))
  healed.close()
  const last = Repository.open(path, { isTolerant: true })
  const { after } = await repairRepository(last)
  t.same(after.findings, [])
  t.same(
    readdirSync(join(path, 'quarantine')).filter(name => name.length === 64),
    [],
  )
  last.close()
})

t.test('a history that goes in a circle ends, and is mended', async t => {
  const { path, repository, ids } = await make(3)
  const [oldest, , newest] = ids as [Digest, Digest, Digest]
  writeGrafts(repository.paths, new Map([[oldest, newest]]))
  const circle = { code: 'CORRUPT_REPOSITORY', message: /goes in a circle/ }
  t.throws(() => [...firstParents(repository, newest)], circle)
  await t.rejects(pruneRepository(repository, { rules: {} }), {
    code: 'CORRUPT_REPOSITORY',
    message: /goes in a circle/,
  })
  t.match(
    checkRepository(repository).findings.map(({ message }) => message),
    [/goes in a circle/],
  )
  const { after } = await repairRepository(repository)
  t.same(after.findings, [])
  t.same(
    [...firstParents(repository, newest)].map(({ id }) => id),
    [...ids].reverse(),
  )
  repository.close()
  t.same(damageIn(path), [])
})

t.test('a sparse index of 3.5 GiB is damage', async t => {
  const { path, repository } = await make(1)
  repository.close()
  // Of all the entries that the header may count, each of zeros.
  const entries = 2 ** 26
  const bits = 22
  const header = Buffer.alloc(INDEX_HEADER_BYTES)
  header.write('DNDRINDX', 'latin1')
  header.writeUInt32LE(1, 8)
  header.writeUInt32LE(entries, 12)
  header.writeUInt32LE(1, 16)
  header.writeUInt32LE(bits, 20)
  header.writeUInt32LE(crc32(header.subarray(0, 28)), 28)
  const file = join(path, 'index', `${'0'.repeat(32)}.idx`)
  writeFileSync(file, header)
  truncateSync(
    file,
    INDEX_HEADER_BYTES + 16 + (2 ** bits + 1) * 4 + entries * INDEX_ENTRY_BYTES,
  )
  t.match(damageIn(path), [/damaged index .*: its entries do not ascend/])
})
