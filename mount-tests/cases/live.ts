/** A mounted view follows its repository, and several mounts share one server. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { readMountTable } from '../../src/system/mount-table.ts'
import { list, waitFor } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'

const start = (t: TestContext): { source: string; first: string } => {
  const source = t.makeDirectory('source')
  writeFileSync(`${source}/file`, 'one\n')
  t.dendro('init')
  const first = t.commit('os/stable', source, '--auto-version', '1')
  return { source, first }
}

const serverPid = (t: TestContext, path: string): number =>
  (JSON.parse(t.dendro('mount', 'stats', path, '--json')) as { pid: number })
    .pid

const isRunning = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

export const tests: TestTable = {
  'the view has commits, refs, tags and versions': t => {
    const { first } = start(t)
    t.dendro('tag', 'golden', 'os/stable')
    const view = t.mount(t.path('view'))
    assert.deepEqual(list(view), ['by-version', 'commits', 'refs', 'tags'])
    assert.deepEqual(list(`${view}/commits`), [first])
    for (const way of [
      'refs/os/stable',
      'tags/golden',
      'by-version/os/stable/1.0',
    ]) {
      assert.equal(readFileSync(`${view}/${way}/file`, 'utf8'), 'one\n', way)
      assert.match(
        readlinkSync(`${view}/${way}`),
        new RegExp(`^(\\.\\./)+commits/${first}$`),
      )
    }
  },
  'new commits and moved refs appear within a second': async t => {
    const { source } = start(t)
    const view = t.mount(t.path('view'))
    t.sh(
      'ls -lR "$1/refs" "$1/by-version" "$1/commits" > /dev/null; cat "$1/refs/os/stable/file"',
      view,
    )
    writeFileSync(`${source}/file`, 'two\n')
    const second = t.commit('os/stable', source, '--auto-version', '1')
    const took = await waitFor(
      'the moved ref',
      () => t.sh('cat "$1/refs/os/stable/file"', view) === 'two\n',
      1000,
    )
    assert.ok(took < 1000)
    t.commit('os/testing', source)
    t.dendro('tag', 'v2', 'os/stable')
    await waitFor(
      'the new ref',
      () => list(`${view}/refs/os`).includes('testing'),
      1000,
    )
    await waitFor('the new tag', () => existsSync(`${view}/tags/v2/file`), 1000)
    assert.ok(list(`${view}/commits`).includes(second))
    assert.deepEqual(list(`${view}/by-version/os/stable`), ['1.0', '1.1'])
    t.dendro('refs', '--delete', 'os/testing')
    await waitFor(
      'the ref to go',
      () => !existsSync(`${view}/refs/os/testing`),
      1000,
    )
  },
  'a file that is open, and a directory that is entered, stay what they were':
    async t => {
      const { source, first } = start(t)
      const view = t.mount(t.path('view'))
      const script =
        'cd "$1/refs/os/stable"; exec 3< file; echo ready > "$2/ready"; ' +
        'while [ ! -e "$2/go" ]; do sleep 0.05; done; cat <&3; pwd -P'
      const { spawn } = await import('node:child_process')
      const child = spawn('sh', ['-euc', script, 'sh', view, t.directory])
      let out = ''
      child.stdout.on('data', (data: Buffer) => (out += data.toString()))
      await waitFor('the reader', () => existsSync(t.path('ready')))
      writeFileSync(`${source}/file`, 'two\n')
      t.commit('os/stable', source)
      await waitFor(
        'the moved ref',
        () => t.sh('cat "$1/refs/os/stable/file"', view) === 'two\n',
        1000,
      )
      writeFileSync(t.path('go'), '')
      await new Promise(done => child.on('close', done))
      assert.equal(out, `one\n${view}/commits/${first}\n`)
    },
  'all mounts of a repository share one server, which ends with the last':
    async t => {
      start(t)
      const view = t.mount(t.path('view'))
      const bound = t.mount('os/stable', t.path('bound'))
      const pid = serverPid(t, view)
      assert.equal(serverPid(t, bound), pid)
      t.dendro('umount', view)
      assert.equal(readFileSync(`${bound}/file`, 'utf8'), 'one\n')
      assert.ok(isRunning(pid))
      t.dendro('umount', bound)
      await waitFor('the server to end', () => !isRunning(pid))
      assert.deepEqual(
        readMountTable().filter(m => m.type === 'fuse.dendro'),
        [],
      )
      const { id } = JSON.parse(
        readFileSync(`${t.repository}/config.json`, 'utf8'),
      ) as { id: string }
      const left = list('/run/dendro').filter(name => name.startsWith(id))
      assert.deepEqual(left, [], 'its runtime directory is gone')
      t.mount(t.path('view'))
      assert.deepEqual(list(t.path('view')).length, 4)
    },
  'a repository that is moved away does not end the server': async t => {
    start(t)
    const view = t.mount(t.path('view'))
    const pid = serverPid(t, view)
    // The watch is on the directory itself, wherever it is moved.
    t.sh('mv "$1" "$1.away"; touch "$1.away/generation"', t.repository)
    t.sh('sleep 0.3; ls "$1/refs" > /dev/null', view)
    assert.ok(isRunning(pid))
    t.sh('mv "$1.away" "$1"', t.repository)
    assert.equal(readFileSync(`${view}/refs/os/stable/file`, 'utf8'), 'one\n')
  },
  '--foreground stays until the mount is gone': async t => {
    start(t)
    const { spawn } = await import('node:child_process')
    const where = t.makeDirectory('mnt')
    const program = new URL('../../../scripts/dendro', import.meta.url).pathname
    const child = spawn(
      program,
      ['mount', '--foreground', 'os/stable', where],
      {
        env: { ...process.env, DENDRO_REPO: t.repository },
      },
    )
    let code: number | null | undefined
    child.on('close', status => (code = status))
    await waitFor('the mount', () => existsSync(`${where}/file`))
    assert.equal(code, undefined)
    child.kill('SIGTERM')
    await waitFor('the end', () => code !== undefined)
    assert.equal(code, 0)
    assert.ok(!existsSync(`${where}/file`))
  },
  'a mount whose keeper and server were killed is found and replaced':
    async t => {
      start(t)
      const mounted = t.mount('os/stable', t.path('mnt'))
      const { pid, keeperPid } = t.processes(mounted)
      // Either would start the other again.
      process.kill(pid, 'SIGSTOP')
      process.kill(keeperPid, 'SIGKILL')
      process.kill(pid, 'SIGKILL')
      await waitFor(
        'both to end',
        () => !isRunning(pid) && !isRunning(keeperPid),
      )
      assert.throws(
        () => readFileSync(`${mounted}/file`),
        /ENOTCONN|ECONNABORTED/,
      )
      t.dendro('mount', 'os/stable', mounted)
      assert.equal(readFileSync(`${mounted}/file`, 'utf8'), 'one\n')
    },
  'umount of a busy mount says so, and --lazy does it': async t => {
    start(t)
    const mounted = t.mount('os/stable', t.path('mnt'))
    const { spawn } = await import('node:child_process')
    const user = spawn('sleep', ['60'], { cwd: mounted })
    const refused = t.tryDendro('umount', mounted)
    assert.equal(refused.status, 1)
    assert.match(
      refused.stderr,
      new RegExp(
        `^dendro: cannot unmount .*: in use by sleep \\(pid ${user.pid}, cwd\\) \\(.*--lazy`,
      ),
    )
    t.dendro('umount', '--lazy', mounted)
    assert.ok(!existsSync(`${mounted}/file`))
    user.kill()
  },
  'commits of two processes at once both succeed': async t => {
    const { source } = start(t)
    const other = t.makeDirectory('other')
    writeFileSync(`${other}/x`, 'x'.repeat(300_000))
    const { spawn } = await import('node:child_process')
    const program = new URL('../../../scripts/dendro', import.meta.url).pathname
    const env = { ...process.env, DENDRO_REPO: t.repository }
    const runs = [source, other, source, other].map(
      directory =>
        new Promise(done =>
          spawn(program, ['commit', '-b', 'os/stable', directory], {
            env,
            stdio: 'ignore',
          }).on('close', done),
        ),
    )
    assert.deepEqual(await Promise.all(runs), [0, 0, 0, 0])
    const log = JSON.parse(t.dendro('log', 'os/stable', '--json')) as unknown[]
    assert.equal(log.length, 5)
  },
}
