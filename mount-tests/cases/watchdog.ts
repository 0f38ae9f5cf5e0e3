/** A server that hangs is replaced, whatever it hangs in. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { waitFor } from '../context.ts'
import type { TestTable } from '../context.ts'
import { noise } from '../odd-tree.ts'
import { ended, events, isRunning, start } from '../served-tree.ts'

const HUNG_DISK = new URL('../hung-disk.js', import.meta.url).pathname

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
    const pack = large as string
    const disk = t.makeDirectory('disk')
    const hung = spawn(
      process.execPath,
      [HUNG_DISK, disk, String(statSync(pack).size)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    try {
      await new Promise(done => hung.stdout.once('data', done))
      t.sh('mount --bind "$1/file" "$2"', disk, pack)
      const mounted = t.mount('-o', 'watchdog=1', 'r', t.path('mnt'))
      const read = ended(spawn('cat', [`${mounted}/stuck`]))
      const { code, text } = await read
      assert.equal(code, 1)
      assert.match(text, /Input\/output error/)
      assert.equal(t.sh('cat "$1/small"', mounted), 'small\n')
      // The kernel tries a failed page once more. The first server has no
      // thread yet that could answer for it.
      const stuck = events(t, 'server-stuck').length
      const all = stuck + events(t, 'server-silent').length
      assert.ok(stuck > 0 && all % 3 === 0, `${stuck} of ${all} servers`)
    } finally {
      hung.kill('SIGKILL')
      t.sh('umount -l "$1"', pack)
    }
  },
}
