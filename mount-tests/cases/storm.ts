/**
 * Every request is answered, once, whatever else is asked meanwhile; and one
 * that is lost all the same is asked for again.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { waitingRequests } from '../../src/fuse/waiting.ts'
import type { ServerStatistics } from '../../src/server/server-config.ts'
import { findMount } from '../../src/system/mount-table.ts'
import { waitFor } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { noise } from '../odd-tree.ts'

const ROUNDS = 100_000
const LARGE_FILES = 6
const LARGE_BYTES = 12_000_000
const TEST_PROGRAMS = new URL('../../../mount-tests/', import.meta.url).pathname

/** Mounts a tree of a small file and some large ones; `sums` stands beside it. */
const mountLarge = (t: TestContext, ...options: string[]): string => {
  const source = t.makeDirectory('source')
  for (let i = 0; i < LARGE_FILES; i++)
    writeFileSync(`${source}/f${i}`, noise(LARGE_BYTES, i))
  t.sh('cd "$1" && sha256sum f* > ../sums', source)
  writeFileSync(`${source}/small`, 'small\n')
  t.dendro('init')
  t.commit('r', source)
  return t.mount(...options, 'r', t.path('mnt'))
}

const statistics = (t: TestContext, mountpoint: string): ServerStatistics =>
  JSON.parse(
    t.dendro('mount', 'stats', mountpoint, '--json'),
  ) as ServerStatistics

/** Every request that came has one outcome, and clients wait for none. */
const assertAllAnswered = (t: TestContext, mountpoint: string): void => {
  const { outcomes, requests } = statistics(t, mountpoint)
  const { received, ...settled } = outcomes
  const sum = Object.values(settled).reduce((a, b) => a + b)
  assert.equal(received, sum, JSON.stringify(outcomes))
  const came = Object.values(requests).reduce((a, b) => a + b)
  assert.equal(received, came)
  // An INTERRUPT may be answered when its request is.
  const { INTERRUPT = 0 } = requests
  assert.ok(outcomes.unwanted <= INTERRUPT, JSON.stringify(outcomes))
  assert.equal(outcomes.abandoned, 0)
  assert.equal(waitingRequests(findMount(mountpoint)?.device), 0)
}

const eventTypes = (t: TestContext): string[] =>
  t
    .dendro('events', '--json')
    .split('\n')
    .filter(line => line !== '')
    .map(line => (JSON.parse(line) as { type: string }).type)

/** Four threads of Python ask isatty(3) of each file that they open. */
const OPENERS = `
import hashlib, sys, threading
directory = sys.argv[1]
sums = dict(reversed(line.split()) for line in open(directory + '/../sums'))
bad = []
def work(number):
    for turn in range(12):
        name = f'f{(number + turn) % len(sums)}'
        with open(f'{directory}/small') as file: file.read()
        with open(f'{directory}/{name}', 'rb') as file:
            if hashlib.sha256(file.read()).hexdigest() != sums[name]: bad.append(name)
        if number == 0: open('/proc/sys/vm/drop_caches', 'w').write('3')
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(str(bad) if bad else 0)
`

export const tests: TestTable = {
  'a storm of ioctls, lookups and signals beside cold reads: all is answered':
    t => {
      // A server that has no time to look up is not taken for one that hangs.
      const mounted = mountLarge(t, '-o', 'watchdog=5')
      const { pid } = t.processes(mounted)
      const said = t.run('timeout', [
        ...['-s', 'KILL', '240', 'python3', `${TEST_PROGRAMS}storm.py`],
        ...[mounted, String(ROUNDS)],
      ])
      const [, rounds, passes, killed] =
        /^(\d+) rounds, (\d+) passes, (\d+) killed$/.exec(said.trim()) ?? []
      assert.equal(Number(rounds), ROUNDS)
      assert.ok(Number(passes) >= LARGE_FILES, said)
      assert.ok(Number(killed) > 0, said)
      assertAllAnswered(t, mounted)
      assert.deepEqual(eventTypes(t), [])
      assert.equal(t.processes(mounted).pid, pid)
      const { IOCTL = 0, READ = 0 } = t.requests(mounted)
      assert.ok(IOCTL >= ROUNDS / 2 && READ > 100, `${IOCTL} ${READ}`)
    },
  'four threads of Python that open files end': t => {
    const mounted = mountLarge(t)
    t.run('timeout', ['-s', 'KILL', '120', 'python3', '-c', OPENERS, mounted])
    assertAllAnswered(t, mounted)
  },
  'a request that somebody took away is asked for again, and told': async t => {
    const mounted = mountLarge(t)
    const { pid } = t.processes(mounted)
    const thief = spawn('python3', [`${TEST_PROGRAMS}thief.py`, String(pid)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: thief.stdout })
    const said = () => new Promise<string>(done => lines.once('line', done))
    assert.equal(await said(), 'stopped')
    const reader = spawn('cat', [`${mounted}/small`])
    let text = ''
    reader.stdout.on('data', (data: Buffer) => (text += data.toString()))
    const stolen = said()
    thief.stdin.write('steal\n')
    assert.match(await stolen, /^stole \d+/)
    const { device } = findMount(mounted) ?? {}
    assert.equal(waitingRequests(device), 1)
    await waitFor(
      'the reader to have its bytes',
      () => text === 'small\n',
      20_000,
    )
    assert.deepEqual(eventTypes(t), ['requests-resent'])
    assertAllAnswered(t, mounted)
  },
  'an answer that the kernel does not take is told': t => {
    const mountpoint = t.makeDirectory('mnt')
    const program = new URL('../double-answer.js', import.meta.url).pathname
    const said = t.run(process.execPath, [program, mountpoint])
    assert.deepEqual(JSON.parse(said), {
      stray: ['LOOKUP'],
      unwanted: 1,
      outstanding: 0,
    })
    assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(mountpoint))
  },
}
