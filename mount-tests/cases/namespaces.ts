/** Which deployment is meant, and whose mount namespace is entered. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { startEntry } from '../../src/root/entry-process.ts'
import { layerIdentity } from '../../src/sysroot/mounted-layers.ts'
import { holdEntered } from '../../src/sysroot/running.ts'
import { DENDRO } from '../context.ts'
import type { CommandResult, TestTable } from '../context.ts'
import { assemble, nextVersion, release, site } from '../site.ts'
import type { Site, Status } from '../site.ts'

const USER = 12345

/** A command that runs in the deployment until its stdin ends. */
const holdOpen = async (
  s: Site,
  sysroot = s.sysroot,
): Promise<{ child: ChildProcess; ended: Promise<number | null> }> => {
  const child = spawn(
    DENDRO,
    [
      ...['--sysroot', sysroot, 'run', '--', '/bin/bash', '-c'],
      'echo entered; read -r line; exit 9',
    ],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'] ?? '' },
    },
  )
  const ended = new Promise<number | null>(done => child.on('close', done))
  await new Promise((done, fail) => {
    child.stdout?.once('data', done)
    void ended.then(status => fail(new Error(`it ended with ${status}`)))
  })
  return { child, ended }
}

/** dendro on another sysroot that shares the repository of `s`. */
const on =
  (s: Site, sysroot: string) =>
  (...args: string[]): CommandResult =>
    s.t.try(DENDRO, ['--sysroot', sysroot, ...args], {
      env: { DENDRO_REPO: join(s.sysroot, 'dendro/repo') },
    })

const booted = (text: string): boolean[] =>
  (JSON.parse(text) as Status).deployments.map(({ booted: is }) => is)

export const tests: TestTable = {
  'a namespace of a user is not joined, whatever it looks like': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const layer = s.layer()
    const end = layer.slice(layer.indexOf('/dendro/deploy/') + 1, -6)
    const own = s.t.makeDirectory('user')
    for (const name of ['upper', 'work'])
      mkdirSync(join(own, end, name), { recursive: true })
    const program = join(own, 'program')
    const ran = join(own, 'ran')
    writeFileSync(program, `#!/bin/sh\nid >${ran}\n`, { mode: 0o755 })
    s.t.sh('chown -R "$2" "$1"', own, String(USER))
    const user = spawn(
      'setpriv',
      [
        ...['--reuid', String(USER), '--regid', String(USER)],
        ...['--clear-groups', 'unshare', '-Urm', 'sh', '-euc'],
        // In the mount table it has the name of the layer.
        `mount --bind "$1" "$2"
         mount -t overlay x -o "lowerdir=/etc,upperdir=$2/$3/upper,workdir=$2/$3/work,userxattr" /etc
         mount --bind "$4" "$(readlink -f /bin/touch)"
         grep -q "upperdir=$2/$3/upper" /proc/self/mountinfo
         echo mounted; read -r line`,
        ...['sh', own, s.sysroot, end, program],
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    const ended = new Promise(done => user.on('close', done))
    await new Promise((done, fail) => {
      user.stdout.once('data', done)
      void ended.then(() => fail(new Error('the user cannot mount')))
    })
    try {
      assert.equal(s.try('run', '--', '/bin/touch', '/etc/mine').status, 0)
      assert.ok(!existsSync(ran), 'the program of the user was run')
      assert.ok(existsSync(join(layer, 'mine')))
      assert.doesNotMatch(s.dendro('status'), /^\*|Runs:/m)
      assemble(s)
      s.dendro('etc', 'reset', 'mine')
      assert.ok(!existsSync(join(layer, 'mine')))
      release(s)
      assert.equal(s.try('undeploy', '0').status, 0)
    } finally {
      user.stdin.end('\n')
      await ended
    }
  },
  'a record that names another process, or none, is not believed': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const { child, ended } = await holdOpen(s)
    const layer = s.layer()
    const entered = holdEntered(layer)
    assert.ok(entered !== undefined)
    entered.held.close()
    const { record } = entered
    const directory = '/run/dendro/layers'
    const path = join(directory, `${record.layer}.${record.namespace}.json`)
    const { holder } = record
    assert.ok(holder !== null)
    const forged: readonly object[] = [
      // The number is used by somebody else now.
      { ...record, holder: { ...holder, startTicks: holder.startTicks + 1 } },
      // The process went elsewhere.
      { ...record, namespace: record.namespace + 1 },
      { ...record, boot: 'another' },
      // Another overlay got the number of the superblock.
      { ...record, options: `${record.options},x` },
      { ...record, device: '0:1' },
    ]
    for (const text of [...forged.map(f => JSON.stringify(f)), '{', '']) {
      writeFileSync(path, text)
      assert.equal(holdEntered(layer), undefined, text)
    }
    writeFileSync(path, JSON.stringify(record))
    assert.equal(s.run('echo here'), 'here')
    child.stdin?.end('\n')
    assert.equal(await ended, 9)
    // Nothing of it is left.
    assert.deepEqual(
      readdirSync(directory).filter(name =>
        name.startsWith(layerIdentity(layer)),
      ),
      [],
    )
  },
  'a command is run in the namespace of one that has just ended': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const first = await holdOpen(s)
    const entered = holdEntered(s.layer())
    assert.ok(entered !== undefined)
    first.child.stdin?.end('\n')
    assert.equal(await first.ended, 9)
    const entry = startEntry(
      { kind: 'namespace', fd: entered.held.fd },
      { words: ['/bin/sh', '-c', 'echo late > /etc/late; exit 5'] },
    )
    assert.equal(await entry.entered, true)
    assert.equal(await entry.ended, 5)
    entered.held.close()
    assert.equal(s.run('cat /etc/late'), 'late')
    // A namespace that is none.
    const none = startEntry({ kind: 'namespace', fd: 0 }, { words: ['true'] })
    assert.equal(await none.entered, false)
    assert.equal(await none.ended, 125)
  },
  'what an older program mounted runs, and is not joined': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    nextVersion(s)
    const forget = () => {
      const directory = '/run/dendro/layers'
      const own = readdirSync(directory).filter(name =>
        name.startsWith(`${layerIdentity(s.layer())}.`),
      )
      assert.equal(own.length, 1)
      for (const name of own) rmSync(join(directory, name))
    }
    const root = assemble(s)
    forget()
    writeFileSync(join(root, 'etc/mine'), 'x\n')
    assert.deepEqual(booted(s.dendro('--json', 'status')), [true])
    assert.match(s.try('undeploy', '0').stderr, /cannot undeploy .*: it runs/)
    // What is changed is changed through the mount, and carried on.
    s.dendro('etc', 'reset', 'mine')
    assert.ok(!existsSync(join(root, 'etc/mine')))
    writeFileSync(join(root, 'etc/mine'), 'y\n')
    s.dendro('deploy', 'os/test')
    assert.deepEqual(booted(s.dendro('--json', 'status')), [false, true])
    assert.equal(readFileSync(join(s.layer(), 'mine'), 'utf8'), 'y\n')
    assert.match(s.try('undeploy', '1').stderr, /it runs/)
    release(s)
    assert.deepEqual(booted(s.dendro('--json', 'status')), [false, false])
    // In another namespace it is in use, and nobody is sent there.
    const { child, ended } = await holdOpen(s)
    forget()
    assert.match(s.try('undeploy', '0').stderr, /it runs/)
    const { status, stderr } = s.try('run', '--', '/bin/true')
    assert.equal(status, 1)
    assert.match(stderr, /cannot enter .*: its \/etc is mounted/)
    child.stdin?.end('\n')
    assert.equal(await ended, 9)
    // A link to the layer in the place of another overlay's directory is none.
    const own = s.t.makeDirectory('own')
    for (const name of ['etc', 'upper', 'work', 'lower'])
      mkdirSync(join(own, name))
    s.t.sh(
      'mount -t overlay x -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/etc"',
      own,
    )
    renameSync(join(own, 'upper'), join(own, 'away'))
    symlinkSync(s.layer(), join(own, 'upper'))
    assert.deepEqual(booted(s.dendro('--json', 'status')), [false, false])
    s.t.sh('umount "$1/etc"', own)
  },
  'commands that begin at once all run in the deployment': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    s.run('echo inside > /etc/here')
    const script = '[ "$(cat /etc/here)" = inside ] && echo x >> /var/rounds'
    const rounds = 6
    const together = 4
    for (let round = 0; round < rounds; round++) {
      const statuses = await Promise.all(
        Array.from({ length: together }, () => {
          const child = spawn(
            DENDRO,
            ['--sysroot', s.sysroot, 'run', '--', '/bin/sh', '-c', script],
            { stdio: 'inherit', env: { PATH: process.env['PATH'] ?? '' } },
          )
          return new Promise(done => child.on('close', done))
        }),
      )
      assert.deepEqual(statuses, Array(together).fill(0))
    }
    assert.equal(
      s.run('cat /var/rounds').replaceAll('\n', ''),
      'x'.repeat(rounds * together),
    )
  },
  'sysroots with one commit have nothing to do with one another': async s0 => {
    const s = site(s0)
    const other = s.t.makeDirectory('other')
    mkdirSync(join(other, 'boot'))
    const second = on(s, other)
    const text = (result: CommandResult) => {
      assert.equal(result.status, 0, result.stderr)
      return result.stdout.trimEnd()
    }
    s.dendro('deploy', 'os/test')
    text(second('deploy', 'os/test'))
    const root = assemble(s)
    writeFileSync(join(root, 'etc/own'), 'first\n')
    assert.deepEqual(booted(text(second('--json', 'status'))), [false])
    assert.equal(text(second('etc', 'diff')), '')
    const root2 = s.t.makeDirectory('root2')
    text(second('root', 'assemble', root2))
    writeFileSync(join(root2, 'etc/own'), 'second\n')
    assert.equal(readFileSync(join(root, 'etc/own'), 'utf8'), 'first\n')
    assert.deepEqual(booted(text(second('--json', 'status'))), [true])
    text(second('etc', 'reset', 'own'))
    assert.equal(readFileSync(join(root, 'etc/own'), 'utf8'), 'first\n')
    assert.ok(!existsSync(join(root2, 'etc/own')))
    text(second('root', 'release', root2))
    release(s)
    // The same for commands that are entered, and instances of one name.
    const first = await holdOpen(s)
    s.run('echo 1 > /etc/own; echo 1 > /var/own')
    assert.equal(
      second('run', '--', '/bin/cat', '/etc/own', '/var/own').status,
      1,
    )
    assert.equal(text(second('undeploy', '0')).length > 0, true)
    first.child.stdin?.end('\n')
    assert.equal(await first.ended, 9)
    const write = ['--', '/bin/sh', '-c', 'echo x > /etc/own']
    s.dendro('instance', 'create', 'one', 'os/test')
    text(second('instance', 'create', 'one', 'os/test'))
    s.dendro('instance', 'run', 'one', ...write)
    const read = ['instance', 'run', 'one', '--', '/bin/cat', '/etc/own']
    assert.equal(second(...read).status, 1)
    assert.equal(s.dendro(...read), 'x')
  },
  'a sysroot that was moved is the same, one that was copied is not':
    async s0 => {
      const s = site(s0)
      s.dendro('deploy', 'os/test')
      const first = await holdOpen(s)
      s.run('echo 1 > /etc/own')
      const copy = s.t.path('copy')
      cpSync(s.sysroot, copy, { recursive: true, verbatimSymlinks: true })
      const there = (sysroot: string, ...args: string[]) =>
        s.t.try(DENDRO, ['--sysroot', sysroot, ...args], {
          env: { DENDRO_REPO: '' },
        })
      assert.doesNotMatch(there(copy, 'status').stdout, /Runs:/)
      const moved = s.t.path('moved')
      renameSync(s.sysroot, moved)
      assert.match(there(moved, 'status').stdout, /Runs:/)
      assert.match(there(moved, 'undeploy', '0').stderr, /it runs/)
      const script = 'echo 2 >> /etc/own; cat /etc/own'
      const run = there(moved, 'run', '--', '/bin/sh', '-c', script)
      assert.equal(run.stdout, '1\n2\n', run.stderr)
      // What takes its place is another one.
      renameSync(copy, s.sysroot)
      assert.doesNotMatch(s.dendro('status'), /Runs:/)
      assert.equal(s.run('cat /etc/own'), '1')
      renameSync(s.sysroot, copy)
      renameSync(moved, s.sysroot)
      first.child.stdin?.end('\n')
      assert.equal(await first.ended, 9)
    },
}
