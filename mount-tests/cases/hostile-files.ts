/**
 * What others put in the place of a repository's files, and what they mount:
 * nobody who mounts, reads or unmounts waits for it.
 */

import assert from 'node:assert/strict'
import {
  closeSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { mountDevice } from '../../src/fuse/device.ts'
import { findMount } from '../../src/system/mount-table.ts'
import { DENDRO, waitFor } from '../context.ts'
import type { CommandResult, TestContext, TestTable } from '../context.ts'

const SECONDS = '20'
/** Status of timeout(1) where the time is up. */
const TIMED_OUT = 124

/** A command that must come to an end, whatever its status. */
const ends = (
  t: TestContext,
  command: string,
  ...args: string[]
): CommandResult => {
  const result = t.try('timeout', ['-k', '1', SECONDS, command, ...args])
  const isOver = result.status !== TIMED_OUT && result.status !== 137
  assert.ok(isOver, `${command} ${args.join(' ')} does not end`)
  return result
}

/** Two commits, one of them pruned: a repository with a file of every kind. */
const start = (t: TestContext): void => {
  t.dendro('init')
  const source = t.makeDirectory('source')
  for (const text of ['one', 'two', 'three']) {
    writeFileSync(join(source, 'file'), `${text}\n`.repeat(10_000))
    t.commit('r', source)
    if (text === 'one') t.commit('other', source)
  }
  t.dendro('prune', '--keep-last', '1')
  writeFileSync(t.path('victim'), 'untouched\n')
}

const SUBSTITUTES: Readonly<
  Record<string, (t: TestContext, path: string) => void>
> = {
  'a pipe': (t, path) => t.run('mkfifo', [path]),
  'a link without end': (_t, path) => symlinkSync('/dev/zero', path),
}

/** What a mount opens, by the way. */
const placesIn = (repository: string): string[] =>
  ['index', 'packs', 'commits', 'refs']
    .flatMap(directory =>
      readdirSync(join(repository, directory)).map(name =>
        join(directory, name),
      ),
    )
    .concat('config.json', 'grafts', 'generation', 'events', 'refs', 'packs')

const everyPlace = (name: string) => (t: TestContext) => {
  start(t)
  const put = SUBSTITUTES[name] as (t: TestContext, path: string) => void
  const mounted = t.makeDirectory('mnt')
  const whole = t.path('whole')
  t.run('cp', ['-a', t.repository, whole])
  for (const place of placesIn(whole)) {
    rmSync(t.repository, { recursive: true })
    t.run('cp', ['-a', whole, t.repository])
    const path = join(t.repository, place)
    rmSync(path, { recursive: true })
    put(t, path)
    const { status, stderr } = ends(t, DENDRO, 'mount', mounted)
    if (status !== 0) {
      assert.match(stderr, /^dendro: .*\n$/, place)
      continue
    }
    ends(
      t,
      'sh',
      '-c',
      'ls -lR "$1/refs/r/"; cat "$1/refs/r/file"',
      '-',
      mounted,
    )
    ends(t, 'ls', `${mounted}/refs`, `${mounted}/by-version`)
    assert.equal(ends(t, DENDRO, 'umount', mounted).status, 0, place)
  }
  assert.equal(readFileSync(t.path('victim'), 'utf8'), 'untouched\n')
}

export const tests: TestTable = {
  'a pipe in any place: a mount comes up or says why': everyPlace('a pipe'),
  'a link without end in any place: the same': everyPlace('a link without end'),
  'a ref that becomes a pipe hides itself alone': async t => {
    start(t)
    const mounted = t.mount(t.path('mnt'))
    assert.deepEqual(readdirSync(`${mounted}/refs`).sort(), ['other', 'r'])
    const path = join(t.repository, 'refs/other')
    rmSync(path)
    t.run('mkfifo', [path])
    t.commit('new', t.path('source'))
    await waitFor('the news', () =>
      readdirSync(`${mounted}/refs`).includes('new'),
    )
    assert.deepEqual(readdirSync(`${mounted}/refs`).sort(), ['new', 'r'])
    const refused = ends(t, DENDRO, 'refs')
    assert.equal(refused.status, 3)
    assert.match(refused.stderr, /refs\/other is a pipe and no file \(/)
  },
  'events that lead elsewhere stay in the runtime directory': t => {
    start(t)
    rmSync(join(t.repository, 'events'))
    symlinkSync(t.path('victim'), join(t.repository, 'events'))
    const mounted = t.mount('r', t.path('mnt'))
    process.kill(t.processes(mounted).pid, 'SIGKILL')
    assert.equal(readFileSync(`${mounted}/file`, 'utf8').slice(0, 6), 'three\n')
    t.dendro('umount', mounted)
    t.dendro('fsck')
    assert.equal(readFileSync(t.path('victim'), 'utf8'), 'untouched\n')
  },
  'umount does not wait for a mount that never answers': t => {
    const mounted = t.makeDirectory('mnt')
    const evil = t.makeDirectory('evil')
    t.run('mkfifo', [join(evil, 'config.json')])
    const fd = mountDevice(mounted, evil, 0)
    try {
      assert.equal(ends(t, DENDRO, 'umount', mounted).status, 0)
      assert.equal(findMount(mounted), undefined)
    } finally {
      closeSync(fd)
    }
  },
}
