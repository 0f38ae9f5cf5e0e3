/** A server that hangs is replaced, whatever it hangs in. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { waitFor } from '../context.ts'
import type { TestTable } from '../context.ts'
import { noise } from '../odd-tree.ts'
import { ended, events, isRunning, start } from '../served-tree.ts'

export const tests: TestTable = {
  'a server that does not answer is replaced': async t => {
    start(t)
    const mounted = t.mount('-o', 'watchdog=1', 'r', t.path('mnt'))
    const { pid } = t.processes(mounted)
    process.kill(pid, 'SIGSTOP')
    const began = Date.now()
    assert.equal(t.sh('cat "$1/small"', mounted), 'small\n')
    assert.ok(Date.now() - began < 10_000)
    await waitFor('the frozen one to be gone', () => !isRunning(pid))
    assert.equal(events(t, 'server-silent').length, 1)
    assert.notEqual(t.processes(mounted).pid, pid)
  },
  'a serving thread that hangs without a request is replaced': async t => {
    start(t)
    const mounted = t.mount('-o', 'watchdog=1', 'r', t.path('mnt'))
    const { pid } = t.processes(mounted)
    // The other threads of the server go on.
    const program = new URL(
      '../../../mount-tests/freeze-thread.py',
      import.meta.url,
    ).pathname
    const freezer = spawn('python3', [program, String(pid)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await new Promise(done => freezer.stdout.once('data', done))
    await waitFor(
      'the keeper to see it',
      () => events(t, 'server-silent').length === 1,
    )
    assert.equal(t.sh('cat "$1/small"', mounted), 'small\n')
    freezer.stdin.end()
    await waitFor('the frozen one to be gone', () => !isRunning(pid))
    assert.notEqual(t.processes(mounted).pid, pid)
  },
  'a frozen server that may stay frozen goes on where it was': async t => {
    start(t)
    const mounted = t.mount('-o', 'watchdog=0', 'r', t.path('mnt'))
    const { pid } = t.processes(mounted)
    process.kill(pid, 'SIGSTOP')
    const reader = ended(spawn('cat', [`${mounted}/small`]))
    await new Promise(done => setTimeout(done, 1500))
    process.kill(pid, 'SIGCONT')
    assert.deepEqual(await reader, { code: 0, text: 'small\n' })
    assert.equal(t.processes(mounted).pid, pid)
  },
  'a request that every server is stuck with is answered with EIO': async t => {
    const source = start(t)
    const known = new Set(readdirSync(`${t.repository}/packs`))
    writeFileSync(`${source}/stuck`, noise(200_000, 77))
    t.commit('r', source)
    const [large] = readdirSync(`${t.repository}/packs`)
      .filter(name => !known.has(name))
      .map(name => `${t.repository}/packs/${name}`)
      .filter(path => statSync(path).size > 100_000)
    // Opening it waits for ever.
    t.sh('rm "$1"; mkfifo "$1"', large as string)
    const mounted = t.mount('-o', 'watchdog=1', 'r', t.path('mnt'))
    const read = t.try('cat', [`${mounted}/stuck`])
    assert.equal(read.status, 1)
    assert.match(read.stderr, /Input\/output error/)
    assert.equal(readFileSync(`${mounted}/small`, 'utf8'), 'small\n')
    // The kernel tries a failed page once more. The first server has no thread
    // yet that could answer for it.
    const ended = ['server-stuck', 'server-silent'].map(
      type => events(t, type).length,
    )
    assert.equal(ended.reduce((sum, count) => sum + count) % 3, 0)
  },
}
