/** Damage is never served: the read fails, all else goes on. */

import assert from 'node:assert/strict'
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { digestFromHex, digestOf } from '../../src/objects/digest.ts'
import type { Digest } from '../../src/objects/digest.ts'
import { IndexFile } from '../../src/store/index-file.ts'
import { bucketOf } from '../../src/store/index-format.ts'
import { Repository } from '../../src/store/repository.ts'
import type { TestContext, TestTable } from '../context.ts'
import { noise } from '../odd-tree.ts'

const start = (t: TestContext): string => {
  const source = t.makeDirectory('source')
  writeFileSync(`${source}/a`, noise(1_500_000, 1))
  writeFileSync(`${source}/b`, noise(1_500_000, 2))
  writeFileSync(`${source}/c`, 'small\n')
  t.dendro('init')
  return t.commit('r', source)
}

const packs = (t: TestContext): string[] => {
  const directory = `${t.repository}/packs`
  return readdirSync(directory)
    .map(name => `${directory}/${name}`)
    .sort((x, y) => statSync(x).size - statSync(y).size)
}

const flip = (path: string, offset: number): void => {
  const fd = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, offset)
  byte[0] = (byte[0] as number) ^ 0x10
  writeSync(fd, byte, 0, 1, offset)
  closeSync(fd)
}

/**
 * Makes the index say nonsense of two buckets, in which one of `objects` stands
 * and none of `others`. Returns which one.
 */
const damageIndex = (
  t: TestContext,
  objects: readonly Digest[],
  others: readonly Digest[],
): number => {
  const [name] = readdirSync(`${t.repository}/index`)
  const path = `${t.repository}/index/${name}`
  const index = IndexFile.open(path)
  const { fanoutBits, fanoutOffset } = index.header
  index.close()
  const bucket = (digest: Digest): number => bucketOf(digest, fanoutBits)
  // The number is where one begins, and where the one before it ends.
  const victim = objects.findIndex(object =>
    others.every(other => {
      const distance = bucket(object) - bucket(other)
      return distance !== 0 && distance !== 1
    }),
  )
  assert.ok(victim >= 0)
  const at = fanoutOffset + bucket(objects[victim] as Digest) * 4
  const fd = openSync(path, 'r+')
  writeSync(fd, Buffer.alloc(4, 0xff), 0, 4, at)
  closeSync(fd)
  return victim
}

const rootTree = (t: TestContext, commit: string): Digest => {
  const repository = Repository.open(t.repository)
  const { root } = repository.commits.load(digestFromHex(commit) as Digest)
  repository.close()
  return root.tree
}

export const tests: TestTable = {
  'a damaged index gives EIO on what it does not find, and ends no server':
    t => {
      const source = t.makeDirectory('source')
      const names = Array.from({ length: 40 }, (_, i) => `f${i + 10}`)
      const contents = names.map((_, i) => noise(3000, i))
      names.forEach((name, i) =>
        writeFileSync(`${source}/${name}`, contents[i] as Buffer),
      )
      t.dendro('init')
      const commit = t.commit('r', source)
      // Files of one chunk: its digest is that of what they hold.
      const digests = contents.map(digestOf)
      const first = 5
      const victim =
        first +
        damageIndex(t, digests.slice(first), [
          rootTree(t, commit),
          ...digests.slice(0, first),
        ])
      const mounted = t.mount('r', t.path('mnt'))
      const { pid } = t.processes(mounted)
      // One behind the other: the files that follow are looked up ahead.
      const failed = names.filter(
        name => t.try('cat', [`${mounted}/${name}`]).status !== 0,
      )
      assert.ok(failed.includes(names[victim] as string))
      assert.ok(failed.length < names.length)
      assert.equal(t.processes(mounted).pid, pid)
    },
  'a damaged chunk gives EIO on that read alone': t => {
    start(t)
    const data = packs(t).at(-1) as string
    // `a` comes first in the pack; its frames are not those of `b`.
    flip(data, 300_000)
    const mounted = t.mount('r', t.path('mnt'))
    const bad = t.try('cat', [`${mounted}/a`])
    assert.equal(bad.status, 1)
    assert.match(bad.stderr, /Input\/output error/)
    assert.equal(statSync(`${mounted}/a`).size, 1_500_000)
    assert.ok(readFileSync(`${mounted}/b`).equals(noise(1_500_000, 2)))
    assert.equal(readFileSync(`${mounted}/c`, 'utf8'), 'small\n')
    const stats = JSON.parse(t.dendro('mount', 'stats', mounted, '--json')) as {
      failures: Record<string, number>
    }
    assert.ok((stats.failures['CORRUPT_PACK'] ?? 0) > 0)
    const cat = t.tryDendro('cat', 'r', 'a')
    assert.equal(cat.status, 3)
    assert.match(
      cat.stderr,
      /^dendro: damaged pack .*checksum.*\(dendro fsck --repair saves what it can\)\n$/,
    )
  },
  'a damaged tree gives EIO on that directory alone': t => {
    start(t)
    const meta = packs(t)[0] as string
    flip(meta, statSync(meta).size - 60)
    const view = t.mount(t.path('view'))
    assert.equal(t.try('ls', [`${view}/refs/r/`]).status, 2)
    assert.equal(t.try('ls', [`${view}/commits`]).status, 0)
  },
  'a damaged commit is told, with exit status 3': t => {
    const id = start(t)
    flip(`${t.repository}/commits/${id}`, 20)
    const shown = t.tryDendro('show', 'r')
    assert.equal(shown.status, 3)
    assert.match(shown.stderr, new RegExp(`^dendro: damaged commit ${id}`))
  },
  'a damaged index is told, with exit status 3': t => {
    start(t)
    const name = readdirSync(`${t.repository}/index`)[0] as string
    const path = `${t.repository}/index/${name}`
    flip(path, 13)
    const listed = t.tryDendro('ls', 'r')
    assert.equal(listed.status, 3)
    assert.match(listed.stderr, /^dendro: damaged index .*\n$/)
    truncateSync(path, 100)
    assert.equal(t.tryDendro('ls', 'r').status, 3)
    rmSync(path)
    const missing = t.tryDendro('ls', 'r')
    assert.equal(missing.status, 3)
    assert.match(missing.stderr, /is missing: no index names it/)
  },
  'a pack that is cut short is told, with exit status 3': t => {
    start(t)
    for (const path of packs(t)) truncateSync(path, 40)
    assert.equal(t.tryDendro('ls', 'r').status, 3)
  },
  'a ref that holds no commit id is told, with exit status 3': t => {
    start(t)
    writeFileSync(`${t.repository}/refs/r`, 'rubbish\n')
    const shown = t.tryDendro('show', 'r')
    assert.equal(shown.status, 3)
    assert.match(shown.stderr, /^dendro: damaged ref r: /)
  },
}
