/** Roots that are put together and entered: deployments, commits, instances. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DENDRO, waitFor } from '../context.ts'
import type { TestTable } from '../context.ts'

import { site, nextVersion, edit, assemble, release } from '../site.ts'
import type { Status } from '../site.ts'

export const tests: TestTable = {
  'run and shell: status, signals, namespaces, nothing left': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    assert.equal(s.try('run', '--', '/bin/sh', '-c', 'exit 7').status, 7)
    assert.equal(s.try('run', '--', '/bin/sh', '-c', 'kill -9 $$').status, 137)
    assert.equal(s.try('run', '--', '/no/such').status, 127)
    assert.equal(
      s.run('echo $$; ls /proc/1 > /dev/null && echo proc'),
      '2\nproc',
    )
    // A commit without deployment: what is written goes.
    const id = s.dendro('rev-parse', 'os/test')
    const there = (script: string) =>
      s.dendro('run', id, '--', '/bin/sh', '-c', script)
    assert.equal(there('echo x > /etc/text && cat /etc/text'), 'x')
    assert.equal(there('cat /etc/text').length, 13)
    assert.equal(s.dendro('etc', 'diff'), '')
    assert.equal(s.try('run', id, '--', '/bin/touch', '/usr/x').status, 1)
    const shell = s.t.try(DENDRO, ['--sysroot', s.sysroot, 'shell'], {
      env: { DENDRO_REPO: '' },
      input: 'cat /etc/same\nexit 3\n',
    })
    assert.equal(shell.status, 3)
    assert.match(shell.stdout, /^same$/m)
    // A second command joins the first: the layer is mounted once.
    const child = spawn(
      DENDRO,
      [
        '--sysroot',
        s.sysroot,
        'run',
        '--',
        '/bin/sh',
        '-c',
        'echo 1 > /etc/first; sleep 30',
      ],
      { env: { PATH: process.env['PATH'] ?? '' }, stdio: 'inherit' },
    )
    const layer = s.layer()
    await waitFor('the first command', () => existsSync(join(layer, 'first')))
    assert.equal(s.run('cat /etc/first; echo 2 > /etc/second'), '1')
    assert.equal(readFileSync(join(layer, 'second'), 'utf8'), '2\n')
    assert.match(s.try('undeploy', '0').stderr, /it runs/)
    assert.match(s.try('root', 'assemble', s.t.path('r')).stderr, /dendro run/)
    assert.match(s.dendro('status'), /Runs: \/etc is mounted/)
    // A signal to dendro reaches the command.
    const ended = new Promise<number | null>(done => child.on('close', done))
    child.kill('SIGTERM')
    assert.equal(await ended, 128 + 15)
    assert.doesNotMatch(s.dendro('status'), /Runs:/)
    assert.doesNotMatch(s.t.run('ps', ['-e', '-o', 'args']), /sleep 30/)
  },
  'what runs is found in the mount table; /usr can be unlocked': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    edit(s)
    const root = assemble(s)
    nextVersion(s)
    s.dendro('upgrade')
    const status = () => s.json<Status>('status').deployments
    assert.deepEqual(
      status().map(({ booted, pending, rollback }) => [
        booted,
        pending,
        rollback,
      ]),
      [
        [false, true, false],
        [true, false, true],
      ],
    )
    assert.match(s.dendro('status'), /^\* 1 test/m)
    // The running /etc goes on, and is merged again.
    assert.equal(status()[0]?.etcOutdated, false)
    writeFileSync(join(root, 'etc/late'), 'late\n')
    assert.equal(status()[0]?.etcOutdated, true)
    s.dendro('etc', 'resolve', 'clash', '--theirs')
    s.dendro('deploy', '--remerge')
    assert.equal(readFileSync(join(s.layer(), 'late'), 'utf8'), 'late\n')
    assert.ok(
      !existsSync(join(s.layer(), 'clash')),
      'what was settled stays so',
    )
    assert.equal(status()[0]?.etcOutdated, false)
    assert.match(s.dendro('deploy', '--remerge'), /Nothing to merge/)
    // A reset goes through the overlay, never below it.
    s.dendro('etc', 'reset', 'text', 'deleted')
    assert.equal(readFileSync(join(root, 'etc/text'), 'utf8').length, 14)
    assert.equal(readFileSync(join(root, 'etc/deleted'), 'utf8'), 'default\n')
    s.dendro('undo')
    assert.match(readFileSync(join(root, 'etc/text'), 'utf8'), /^one\n/)
    assert.ok(!existsSync(join(root, 'etc/deleted')))
    // Unlocked until it is locked again.
    assert.throws(() => writeFileSync(join(root, 'usr/x'), ''), /EROFS/)
    s.dendro('live', 'unlock')
    writeFileSync(join(root, 'usr/x'), '')
    assert.equal(status()[1]?.unlocked, true)
    assert.match(s.try('live', 'unlock').stderr, /unlocked already/)
    s.dendro('live', 'lock')
    assert.ok(!existsSync(join(root, 'usr/x')))
    assert.match(s.try('undeploy', '1').stderr, /it runs/)
    for (const path of ['usr', 'lib', '', 'dev']) {
      const target = join(root, path, 'not-writable')
      assert.throws(() => writeFileSync(target, ''), /EROFS/)
    }
    release(s)
    assert.match(s.try('root', 'release', root).stderr, /no root/)
  },
  'instances: many writable roots, each its own': s0 => {
    const s = site(s0)
    for (let i = 0; i < 20; i++)
      s.dendro('instance', 'create', `i${i}`, 'os/test')
    const kib = Number(
      s.t.sh('du -sk "$1" | cut -f1', join(s.sysroot, 'dendro/instances/i0')),
    )
    assert.ok(kib < 100, `${kib} kB`)
    const run = (name: string, script: string) =>
      s.dendro('instance', 'run', name, '--', '/bin/sh', '-euc', script)
    run('i3', 'echo 3 > /etc/own; echo 3 > /var/own; echo 3 > /usr/own')
    run('i4', 'echo 4 > /etc/own; ! [ -e /usr/own ]')
    assert.equal(run('i3', 'cat /etc/own /var/own /usr/own'), '3\n3\n3')
    assert.equal(run('i4', 'cat /etc/own'), '4')
    assert.equal(s.dendro('instance', 'list').split('\n').length, 20)
    assert.match(
      s.try('instance', 'create', 'i3', 'os/test').stderr,
      /there is an instance/,
    )
    assert.match(
      s.try('instance', 'create', '../x', 'os/test').stderr,
      /bad instance name/,
    )
    // The commit of an instance is never pruned.
    const old = s.dendro('rev-parse', 'os/test')
    nextVersion(s)
    s.dendro('prune', '--keep-last', '1')
    assert.equal(run('i3', 'cat /etc/same'), 'same')
    for (let i = 0; i < 20; i++) s.dendro('instance', 'rm', `i${i}`)
    assert.equal(s.dendro('instance', 'list'), '')
    assert.match(
      s.dendro('prune', '--keep-last', '1'),
      new RegExp(`removed commit ${old}`),
    )
  },
  'a prune keeps what is deployed': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const old = s.dendro('rev-parse', 'os/test')
    nextVersion(s)
    s.dendro('upgrade')
    assert.doesNotMatch(s.dendro('prune', '--keep-last', '1'), new RegExp(old))
    assert.equal(
      s.dendro('run', '-d', '1', '--', '/bin/cat', '/etc/same'),
      'same',
    )
    s.dendro('undeploy', '1')
    assert.match(
      s.dendro('prune', '--keep-last', '1'),
      new RegExp(`removed commit ${old}`),
    )
    assert.match(s.try('undo').stderr, /was pruned/)
  },
  'programs that stay on one file system see what the page on backups says':
    s0 => {
      const s = site(s0)
      s.dendro('deploy', 'os/test')
      s.run('echo x > /etc/mine; mkdir /etc/e; echo x > /etc/e/f')
      const root = assemble(s)
      const count = (script: string): number =>
        Number(s.t.sh(`cd "$1"; ${script}`, root))
      const top = s.t.sh('cd "$1"; find . -mindepth 1 -xdev', root)
      assert.doesNotMatch(top, /^\.\/.+\/./m)
      const all = count('find etc | wc -l')
      assert.equal(count('find etc -xdev | wc -l'), all)
      assert.equal(count('tar --one-file-system -c etc | tar -t | wc -l'), all)
      const copy = s.t.path('copy')
      s.t.sh('cp -ax "$1/etc" "$2"', root, copy)
      assert.equal(Number(s.t.sh('find "$1" | wc -l', copy)), all)
      assert.equal(
        count('du -xa etc | wc -l'),
        count('find etc -type d | wc -l'),
      )
      release(s)
    },
}
