/** A repository is its directory: copies are others, and what is moved is the same. */

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DENDRO, waitFor } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'

/** A repository with a commit `old` and one after it; the id of the old one. */
const start = (t: TestContext): string => {
  t.makeDirectory('home')
  t.dendro('init')
  const source = t.makeDirectory('source')
  writeFileSync(join(source, 'file'), 'old\n')
  const old = t.commit('r', source)
  writeFileSync(join(source, 'file'), 'original\n')
  t.commit('r', source)
  return old
}

const copy = (t: TestContext, from: string, to: string): void => {
  t.run('cp', ['-a', from, to])
}

const at = (t: TestContext, repository: string, ...args: string[]): string =>
  t.dendro('--repo', repository, ...args)

/** Commits another version of the file. */
const commitTo = (t: TestContext, repository: string, text: string): string => {
  writeFileSync(t.path('source/file'), `${text}\n`)
  return at(t, repository, 'commit', '-b', 'r', t.path('source'))
}

const mountOf = (t: TestContext, repository: string, name: string): string => {
  const mountpoint = t.makeDirectory(name)
  at(t, repository, 'mount', mountpoint)
  return mountpoint
}

const fileOf = (view: string): string =>
  readFileSync(`${view}/refs/r/file`, 'utf8').trim()

interface Statistics {
  readonly pid: number
  readonly keeperPid: number
  readonly repository: string
}

const statsOf = (t: TestContext, mountpoint: string): Statistics =>
  JSON.parse(t.dendro('mount', 'stats', mountpoint, '--json')) as Statistics

const moves = (t: TestContext, repository: string): unknown[] =>
  at(t, repository, 'events', '--json', '--type', 'repository-moved')
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const { from, to } = JSON.parse(line) as { from: string; to: string }
      return [from, to]
    })

export const tests: TestTable = {
  'a copy beside the original: each shows its own, and is pruned by itself':
    async t => {
      const old = start(t)
      const original = t.repository
      copy(t, original, t.path('copy'))
      commitTo(t, t.path('copy'), 'copy')
      const mounts = [
        mountOf(t, original, 'm1'),
        mountOf(t, t.path('copy'), 'm2'),
      ] as const
      assert.deepEqual(mounts.map(fileOf), ['original', 'copy'])
      const pids = mounts.map(mount => statsOf(t, mount).pid)
      assert.notEqual(pids[0], pids[1])
      // Used in the original alone.
      const cwd = `${mounts[0]}/commits/${old}`
      const user = spawn('sleep', ['100'], { cwd })
      try {
        const pruned = at(t, t.path('copy'), 'prune', '--keep-last', '1')
        assert.match(pruned, new RegExp(`removed commit ${old}`))
        assert.deepEqual(readdirSync(`${mounts[1]}/commits`).length, 1)
        assert.match(
          at(t, original, 'prune', '--keep-last', '1'),
          new RegExp(`kept commit ${old}: a mount uses it`),
        )
        assert.equal(readFileSync(`${cwd}/file`, 'utf8'), 'old\n')
      } finally {
        user.kill()
      }
      commitTo(t, original, 'new')
      await waitFor('the commit', () => fileOf(mounts[0]) === 'new')
      assert.equal(fileOf(mounts[1]), 'copy')
    },
  'a mount follows a repository that is moved': async t => {
    start(t)
    const mounted = mountOf(t, t.repository, 'm1')
    const { pid, keeperPid } = statsOf(t, mounted)
    const to = t.path('home/moved')
    renameSync(t.repository, to)
    commitTo(t, to, 'moved')
    await waitFor('the commit', () => fileOf(mounted) === 'moved')
    assert.equal(statsOf(t, mounted).repository, to)
    assert.deepEqual(moves(t, to), [[t.repository, to]])
    const second = mountOf(t, to, 'm2')
    assert.equal(statsOf(t, second).pid, pid)
    // The next server finds it too.
    process.kill(pid, 'SIGKILL')
    assert.equal(fileOf(mounted), 'moved')
    const after = statsOf(t, mounted)
    assert.notEqual(after.pid, pid)
    assert.equal(after.keeperPid, keeperPid)
    t.dendro('umount', second)
    t.dendro('umount', mounted)
    renameSync(to, t.repository)
  },
  'another repository under the old name is another one': async t => {
    start(t)
    const mounted = mountOf(t, t.repository, 'm1')
    const { pid } = statsOf(t, mounted)
    const away = t.path('home/away')
    renameSync(t.repository, away)
    copy(t, away, t.repository)
    commitTo(t, t.repository, 'other')
    const other = mountOf(t, t.repository, 'm2')
    assert.deepEqual([mounted, other].map(fileOf), ['original', 'other'])
    assert.deepEqual(
      [mounted, other].map(mount => statsOf(t, mount).repository),
      [away, t.repository],
    )
    process.kill(pid, 'SIGKILL')
    assert.deepEqual([mounted, other].map(fileOf), ['original', 'other'])
    commitTo(t, away, 'first')
    await waitFor('its commit', () => fileOf(mounted) === 'first')
    assert.equal(fileOf(other), 'other')
    for (const mount of [mounted, other]) t.dendro('umount', mount)
  },
  'a restored backup is another one, and of the old one it is told':
    async t => {
      start(t)
      const mounted = mountOf(t, t.repository, 'm1')
      copy(t, t.repository, t.path('backup'))
      rmSync(t.repository, { recursive: true })
      copy(t, t.path('backup'), t.repository)
      await waitFor(
        'word of it',
        () => statsOf(t, mounted).repository === `${t.repository} (deleted)`,
      )
      commitTo(t, t.repository, 'restored')
      const other = mountOf(t, t.repository, 'm2')
      assert.equal(fileOf(other), 'restored')
      assert.equal(statsOf(t, other).repository, t.repository)
      for (const mount of [mounted, other]) t.dendro('umount', mount)
    },
  'a server that would start on another repository waits for its own':
    async t => {
      start(t)
      const home = t.path('home')
      const repository = join(home, 'repo')
      renameSync(t.repository, repository)
      const mounted = mountOf(t, repository, 'm1')
      const { pid } = statsOf(t, mounted)
      // Of a directory above it nothing tells the server in time.
      renameSync(home, t.path('away'))
      mkdirSync(home)
      copy(t, t.path('away/repo'), repository)
      process.kill(pid, 'SIGKILL')
      const name = readdirSync('/run/dendro').find(entry =>
        entry.startsWith(idOf(repository)),
      )
      const log = `/run/dendro/${name}/server.log`
      await waitFor('the refusal', () =>
        readFileSync(log, 'utf8').includes('another repository stands there'),
      )
      const reader = spawn('cat', [`${mounted}/refs/r/file`])
      reader.stdout.setEncoding('utf8')
      const answer = once(reader.stdout, 'data')
      rmSync(home, { recursive: true })
      renameSync(t.path('away'), home)
      assert.deepEqual(await answer, ['original\n'])
      t.dendro('umount', mounted)
      renameSync(repository, t.repository)
    },
  'what a repository lies on is free after the last umount': t => {
    start(t)
    const disk = t.makeDirectory('disk')
    const above = t.makeDirectory('above')
    for (let round = 0; round < 6; round++) {
      mkdirSync(`${above}/upper${round}`)
      mkdirSync(`${above}/work${round}`)
      const layers = [
        `lowerdir=${join(t.repository, '..')}`,
        `upperdir=${above}/upper${round}`,
        `workdir=${above}/work${round}`,
      ]
      t.run('mount', ['-t', 'overlay', '-o', layers.join(), 'overlay', disk])
      const repository = `${disk}/${t.repository.split('/').at(-1)}`
      commitTo(t, repository, `${round}`)
      const mounted = t.path('mnt')
      mkdirSync(mounted, { recursive: true })
      at(t, repository, 'mount', 'r', mounted)
      assert.equal(readFileSync(`${mounted}/file`, 'utf8'), `${round}\n`)
      // By then the server is up with all its threads.
      at(t, repository, 'fsck')
      t.sh('"$1" umount "$2" && umount "$3"', DENDRO, mounted, disk)
    }
  },
  'a server of an older program is used until it ends': t => {
    const old = start(t)
    const mounted = mountOf(t, t.repository, 'm1')
    const { pid } = statsOf(t, mounted)
    const id = idOf(t.repository)
    const now = `/run/dendro/${readdirSync('/run/dendro').find(name => name.startsWith(id))}`
    const older = `/run/dendro/${id}.${now.split('.').at(-1)}`
    const state = JSON.parse(
      readFileSync(`${now}/server.json`, 'utf8'),
    ) as object
    const before = { ...state, identity: undefined }
    renameSync(now, older)
    // Where this server looks for its files; it is of no older program.
    symlinkSync(older, now)
    writeFileSync(`${older}/server.json`, JSON.stringify(before))
    try {
      assert.equal(statsOf(t, mountOf(t, t.repository, 'm2')).pid, pid)
      copy(t, t.repository, t.path('copy'))
      const other = mountOf(t, t.path('copy'), 'm3')
      assert.notEqual(statsOf(t, other).pid, pid)
      const cwd = `${mounted}/commits/${old}`
      const user = spawn('sleep', ['100'], { cwd })
      try {
        assert.match(
          at(t, t.repository, 'prune', '--keep-last', '1'),
          new RegExp(`kept commit ${old}: a mount uses it`),
        )
      } finally {
        user.kill()
      }
      t.dendro('umount', t.path('m2'))
      t.dendro('umount', other)
    } finally {
      rmSync(now)
      renameSync(older, now)
    }
    t.dendro('umount', mounted)
    assert.ok(!existsSync(older))
  },
}

const idOf = (repository: string): string =>
  (
    JSON.parse(readFileSync(`${repository}/config.json`, 'utf8')) as {
      id: string
    }
  ).id
