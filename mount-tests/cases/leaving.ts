/** Servers that end, and those who come just then. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { askServer } from '../../src/mount/control-client.ts'
import { holdView } from '../../src/server/runtime-directory.ts'
import { isAlive, readState } from '../../src/server/server-state.ts'
import { DENDRO, waitFor } from '../context.ts'
import type { CommandResult, TestContext, TestTable } from '../context.ts'
import { site } from '../site.ts'
import type { Site } from '../site.ts'

/** Rounds of each pair; 10,000 in scripts/soak. */
const ROUNDS = Number(process.env['LEAVING_ROUNDS'] ?? 4)

const BASE = '/run/dendro'

/** The runtime directories of servers of the repository that live. */
const serversOf = (repository: string): string[] =>
  readdirSync(BASE)
    .map(name => join(BASE, name))
    .filter(path => {
      const state = readState(path)
      return state?.repository === repository && isAlive(state)
    })

const onlyServer = (repository: string): string => {
  const [directory, ...rest] = serversOf(repository)
  assert.ok(directory !== undefined && rest.length === 0)
  return directory
}

const release = async (directory: string): Promise<boolean> => {
  const reply = await askServer(directory, 'release')
  // A server that ends may do so before it has answered.
  return reply === undefined || (reply as { ended: boolean }).ended
}

/** A shell in a mount namespace of its own that does what it is told by line. */
class Inside {
  readonly #shell: ChildProcessWithoutNullStreams
  readonly #ended: Promise<unknown>

  constructor(t: TestContext, cpu = 0) {
    const pinned = ['-c', String(cpu), 'unshare', '--mount', 'sh']
    this.#shell = spawn('taskset', pinned, {
      cwd: t.directory,
      env: { PATH: process.env['PATH'] ?? '', DENDRO_REPO: t.repository },
    })
    this.#shell.stderr.pipe(process.stderr)
    this.#ended = new Promise(done => this.#shell.on('close', done))
  }

  get pid(): number {
    return this.#shell.pid ?? assert.fail('it was not started')
  }

  async do(line: string): Promise<void> {
    const said = new Promise<Buffer>(done =>
      this.#shell.stdout.once('data', done),
    )
    this.#shell.stdin.write(`${line}; echo "status $?"\n`)
    const answer = await Promise.race([said, this.#ended])
    assert.equal(String(answer), 'status 0\n', line)
  }

  async end(): Promise<void> {
    this.#shell.stdin.end('exit\n')
    await this.#ended
  }
}

/**
 * A shell whose mount namespace is mounted at `name`. The kernel refuses that to
 * namespaces with a smaller number than the own one, and since 6.18 numbers are
 * given out by processor: on one of them it is larger.
 */
const keptInside = async (t: TestContext, name: string): Promise<Inside> => {
  for (const cpu of cpus().keys()) {
    const inside = new Inside(t, cpu)
    await inside.do(':')
    const own = `/proc/${inside.pid}/ns/mnt`
    if (t.try('mount', ['--bind', own, name]).status === 0) return inside
    await inside.end()
  }
  return assert.fail('no namespace can be mounted')
}

const started = (
  args: readonly string[],
  env: Record<string, string>,
): Promise<CommandResult> =>
  new Promise(done => {
    const child = spawn(DENDRO, args, {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let stderr = ''
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
    child.on('close', code => done({ status: code ?? -1, stdout: '', stderr }))
  })

/** Both at once, again and again: neither may fail. */
const race = async (
  s: Site,
  one: readonly string[],
  other: readonly string[],
  between: () => unknown = () => undefined,
): Promise<void> => {
  const repository = join(s.sysroot, 'dendro/repo')
  const all = (args: readonly string[]) =>
    started(['--sysroot', s.sysroot, ...args], { DENDRO_REPO: repository })
  for (let round = 0; round < ROUNDS; round++) {
    for (const { status, stderr } of await Promise.all([all(one), all(other)]))
      assert.equal(
        status,
        0,
        `round ${round} of ${one[0]} and ${other[0]}: ${stderr}`,
      )
    await between()
  }
}

export const tests: TestTable = {
  'a server ends once its mount namespace holds nobody else': async t => {
    const source = t.makeDirectory('source')
    t.dendro('init')
    t.commit('r', source)
    mkdirSync(t.path('m'))
    mkdirSync(t.path('o'))
    const inside = new Inside(t)
    await inside.do(`"${DENDRO}" mount r m`)
    await inside.do(
      'mkdir u w && mount -t overlay x -o lowerdir=m,upperdir=u,workdir=w o',
    )
    const directory = onlyServer(t.repository)
    const { pid, keeperPid } = readState(directory) ?? assert.fail('no state')
    assert.equal(await release(directory), false)
    await inside.end()
    assert.equal(await release(directory), true)
    await waitFor('the server', () => !existsSync(`/proc/${pid}`))
    await waitFor('the keeper', () => !existsSync(`/proc/${keeperPid}`))
    await waitFor('the directory', () => !existsSync(directory))
  },
  'a namespace that is kept by a name keeps its server': async t => {
    t.dendro('init')
    t.commit('r', t.makeDirectory('source'))
    mkdirSync(t.path('m'))
    const kept = t.path('kept')
    t.sh(
      'mkdir "$1" && mount --bind "$1" "$1" && mount --make-private "$1" && touch "$1/ns"',
      kept,
    )
    const inside = await keptInside(t, join(kept, 'ns'))
    await inside.do(`"${DENDRO}" mount r m`)
    const directory = onlyServer(t.repository)
    await inside.end()
    assert.equal(await release(directory), false)
    t.run('nsenter', [`--mount=${join(kept, 'ns')}`, 'ls', t.path('m')])
    t.run('umount', [join(kept, 'ns')])
    assert.equal(await release(directory), true)
    await waitFor('the directory', () => !existsSync(directory))
  },
  'whoever is about to mount out of a view keeps its server': async t => {
    t.dendro('init')
    t.commit('r', t.makeDirectory('source'))
    const m = t.mount('r', t.path('m'))
    const directory = onlyServer(t.repository)
    const hold = await holdView(directory)
    const second = await holdView(directory)
    t.run('umount', [m])
    assert.equal(await release(directory), false)
    hold.release()
    assert.equal(await release(directory), false)
    t.dendro('mount', 'r', m)
    assert.equal(onlyServer(t.repository), directory)
    t.run('umount', [m])
    second.release()
    assert.equal(await release(directory), true)
    await waitFor('the directory', () => !existsSync(directory))
    // A runtime directory may go while its lock is waited for.
    t.dendro('mount', 'r', m)
    t.dendro('umount', m)
    await waitFor('the directory', () => !existsSync(directory))
    t.dendro('mount', 'r', m)
    assert.equal(onlyServer(t.repository), directory)
    t.dendro('umount', m)
  },
  'mount, run and assemble beside a server that ends': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const m = s.t.makeDirectory('m')
    const root = s.t.makeDirectory('root')
    const put = () => s.dendro('mount', 'os/test', m)
    const away = ['umount', m]
    put()
    await race(s, away, ['run', '--', '/bin/ls', '/etc/same'], put)
    await race(s, away, ['run', 'os/test', '--', '/bin/ls', '/etc/same'], put)
    await race(s, away, ['root', 'assemble', root], () => {
      s.dendro('root', 'release', root)
      put()
    })
    const other = s.t.makeDirectory('other')
    await race(s, away, ['mount', 'os/test', other], () => {
      put()
      s.dendro('umount', other)
    })
    s.dendro('umount', m)
    // Two that both find no server.
    await race(s, ['mount', 'os/test', m], ['mount', 'os/test', other], () => {
      s.dendro('umount', other)
      s.dendro('umount', m)
    })
    const line = ['run', '--', '/bin/ls', '/etc/same']
    await race(s, line, line)
    rmSync(root, { recursive: true })
  },
}
