/** fsck, repair, prune and events as a user calls them, beside mounts and others. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { DENDRO } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { noise } from '../odd-tree.ts'

const SOAK_SECONDS = Number(process.env['SOAK_SECONDS'] ?? '20')
const KILL_ROUNDS = Number(process.env['KILL_ROUNDS'] ?? '25')

interface Findings {
  damaged: boolean
  findings: {
    message: string
    affected: { commit: string; paths: { path: string }[] }[]
  }[]
}

/** A repository with `count` commits; their ids, oldest first. */
const start = (t: TestContext, count: number): string[] => {
  const source = t.makeDirectory('source')
  writeFileSync(`${source}/same`, noise(900_000, 1))
  t.dendro('init')
  return Array.from({ length: count }, (_, i) => {
    writeFileSync(`${source}/own`, noise(120_000, 50 + i))
    return t.commit('r', source, '--auto-version', '1')
  })
}

const flip = (path: string, offset: number): void => {
  const fd = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, offset)
  byte[0] = (byte[0] as number) ^ 0x10
  writeSync(fd, byte, 0, 1, offset)
  closeSync(fd)
}

const largestPack = (t: TestContext): string =>
  readdirSync(`${t.repository}/packs`)
    .map(name => `${t.repository}/packs/${name}`)
    .sort((a, b) => statSync(b).size - statSync(a).size)[0] as string

const fsck = (t: TestContext, status: number, ...args: string[]): Findings => {
  const result = t.tryDendro('fsck', '--json', ...args)
  assert.equal(result.status, status, result.stdout + result.stderr)
  return JSON.parse(result.stdout) as Findings
}

const isClean = (t: TestContext): void => {
  fsck(t, 0)
}

/** Runs dendro beside the test; its status and what it said. */
const beside = (t: TestContext, ...args: string[]) => {
  const child = spawn(DENDRO, args, {
    env: { ...process.env, DENDRO_REPO: t.repository },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout.on('data', (data: Buffer) => (text += data.toString()))
  child.stderr.on('data', (data: Buffer) => (text += data.toString()))
  const done = new Promise<{ status: number | null; text: string }>(resolve =>
    child.on('close', status => resolve({ status, text })),
  )
  return { child, done }
}

export const tests: TestTable = {
  'damage is told by commit and path, and repaired from a checkout': t => {
    const ids = start(t, 2)
    const copy = t.path('copy')
    t.dendro('checkout', 'r', copy)
    isClean(t)
    flip(largestPack(t), 400_000)
    const found = fsck(t, 3)
    const affected = found.findings.flatMap(finding => finding.affected)
    assert.deepEqual(
      // A damaged frame holds several chunks of the file.
      [
        ...new Set(
          affected.flatMap(({ commit, paths }) =>
            paths.map(({ path }) => `${commit} ${path}`),
          ),
        ),
      ].sort(),
      ids.map(id => `${id} same`).sort(),
    )
    // Contents are not read: the structure is whole.
    fsck(t, 0, '--quick')
    assert.equal(t.tryDendro('fsck', '--repair').status, 3)
    const repaired = t.dendro('fsck', '--repair', '--from', copy)
    assert.match(repaired, /\d objects and commits taken from elsewhere/)
    assert.match(repaired, /no damage$/)
    isClean(t)
    const mounted = t.mount('r', t.path('mnt'))
    t.run('diff', ['-r', copy, mounted])
  },
  'a reader who meets damage leaves an event, and the next commit heals it':
    t => {
      start(t, 1)
      flip(largestPack(t), 400_000)
      const mounted = t.mount('r', t.path('mnt'))
      assert.equal(t.try('cat', [`${mounted}/same`]).status, 1)
      assert.match(t.dendro('events', '--type', 'damage'), /checksum/)
      assert.ok(readdirSync(`${t.repository}/quarantine`).length >= 1)
      t.commit('r', t.path('source'), '--no-cache')
      t.run('cmp', [t.path('source', 'same'), `${mounted}/same`])
      assert.equal(
        t.dendro('fsck', '--repair').split('\n').at(-1)?.slice(-9),
        'no damage',
      )
    },
  'a check since the last one reads what is new': t => {
    start(t, 2)
    const whole = fsck(t, 0) as Findings & { bytes: number }
    writeFileSync(`${t.path('source')}/new`, noise(100_000, 9))
    t.commit('r', t.path('source'))
    const since = fsck(t, 0, '--since', 'last') as Findings & { bytes: number }
    assert.ok(since.bytes < whole.bytes / 4, `${since.bytes} ${whole.bytes}`)
    assert.equal(t.tryDendro('fsck', '--since', 'yesterday').status, 1)
  },
  'a prune leaves alone what a mount, a directory or a file uses': async t => {
    const [bound, entered, opened, listed] = start(t, 6) as [
      string,
      string,
      string,
      string,
    ]
    const mounted = t.mount(bound, t.path('mnt'))
    const view = t.mount(t.path('view'))
    const sleeper = spawn('sleep', ['60'], {
      cwd: `${view}/commits/${entered}`,
    })
    const fd = openSync(`${view}/commits/${opened}/own`, 'r')
    // Looked at, and no more.
    t.sh(
      'ls -lR "$1" > /dev/null; cat "$1/own" > /dev/null',
      `${view}/commits/${listed}`,
    )
    const said = t.dendro('prune', '--keep-last', '1', '--dry-run')
    const done = t.dendro('prune', '--keep-last', '1')
    for (const id of [bound, entered, opened])
      assert.match(done, new RegExp(`kept commit ${id}: a mount uses it`))
    assert.match(done, new RegExp(`removed commit ${listed}`))
    assert.equal(
      said.replaceAll('would remove', 'removed').replace('would free', 'freed'),
      done,
    )
    isClean(t)
    t.sh('echo 3 > /proc/sys/vm/drop_caches')
    assert.ok(readFileSync(`${mounted}/own`).equals(noise(120_000, 50)))
    assert.ok(
      readFileSync(`/proc/${sleeper.pid}/cwd/own`).equals(noise(120_000, 51)),
    )
    assert.ok(readFileSync(fd).equals(noise(120_000, 52)))
    assert.deepEqual(
      readdirSync(`${view}/commits`).length,
      4,
      'the pruned ones are gone from the view',
    )
    closeSync(fd)
    sleeper.kill()
    await new Promise(resolve => sleeper.on('close', resolve))
    t.dendro('umount', mounted)
    assert.match(t.dendro('prune', '--keep-last', '1'), /^removed commit/)
    assert.equal(readdirSync(`${view}/commits`).length, 1)
    isClean(t)
  },
  'packs that are sparse are written again under a reading mount': async t => {
    start(t, 6)
    const view = t.mount(t.path('view'))
    const reader = spawn('sh', [
      '-c',
      'while :; do sha256sum < "$1/refs/r/same" || exit 1; sha256sum < "$1/refs/r/own" || exit 1; echo 3 > /proc/sys/vm/drop_caches; done > "$2"',
      'sh',
      view,
      t.path('sums'),
    ])
    for (const keep of ['4', '2', '1']) t.dendro('prune', '--keep-last', keep)
    await new Promise(done => setTimeout(done, 300))
    reader.kill()
    await new Promise(resolve => reader.on('close', resolve))
    const sums = readFileSync(t.path('sums'), 'utf8').trim().split('\n')
    assert.equal(new Set(sums).size, 2, sums.join())
    isClean(t)
  },
  [`killed at random ${KILL_ROUNDS} times, a commit or prune loses nothing`]:
    async t => {
      start(t, 1)
      const source = t.path('source')
      let killed = 0
      for (let round = 0; round < KILL_ROUNDS; round++) {
        writeFileSync(`${source}/own`, noise(2_500_000, round))
        const isPrune = round % 3 === 2
        const args = isPrune
          ? ['prune', '--keep-last', '1']
          : ['commit', '-b', 'r', source]
        const { child, done } = beside(t, ...args)
        // Where the time goes is not known: the kills spread over all of it.
        await new Promise(wait => setTimeout(wait, 30 + ((round * 37) % 170)))
        child.kill('SIGKILL')
        if ((await done).status === null) killed++
        fsck(t, 0)
      }
      assert.ok(killed > KILL_ROUNDS / 4, `${killed} were killed in time`)
      t.commit('r', source)
      t.dendro('prune', '--keep-last', '1')
      const mounted = t.mount('r', t.path('mnt'))
      t.run('diff', ['-r', source, mounted])
      assert.deepEqual(readdirSync(`${t.repository}/tmp`), [])
    },
  [`two committers, a pruner, a check and ten readers for ${SOAK_SECONDS} seconds`]:
    async t => {
      start(t, 3)
      const until = Date.now() + SOAK_SECONDS * 1000
      const counts = { commit: 0, prune: 0, fsck: 0, read: 0 }
      const loop = async (
        kind: keyof typeof counts,
        args: (round: number) => string[],
      ): Promise<void> => {
        for (let round = 0; Date.now() < until; round++) {
          const { status, text } = await beside(t, ...args(round)).done
          assert.equal(status, 0, `${kind}: ${text}`)
          counts[kind]++
        }
      }
      const committer = (n: number) => {
        const source = t.makeDirectory(`source${n}`)
        return loop('commit', round => {
          writeFileSync(`${source}/own`, noise(150_000, 1000 * n + round))
          writeFileSync(`${source}/same`, noise(900_000, 1))
          return ['commit', '-b', `work/${n}`, source]
        })
      }
      const view = t.mount(t.path('view'))
      const readers = Array.from({ length: 10 }, (_, i) =>
        i % 2 === 0
          ? loop('read', () => ['cat', 'r', 'same'])
          : (async () => {
              while (Date.now() < until) {
                assert.ok(
                  readFileSync(`${view}/refs/r/same`).equals(noise(900_000, 1)),
                )
                counts.read++
                await new Promise(done => setTimeout(done, 50))
              }
            })(),
      )
      await Promise.all([
        committer(1),
        committer(2),
        loop('prune', () => ['prune', '--keep-last', '2']),
        loop('fsck', () => ['fsck']),
        ...readers,
      ])
      for (const [kind, count] of Object.entries(counts))
        assert.ok(count >= 3, `${kind} ran ${count} times`)
      isClean(t)
    },
}
