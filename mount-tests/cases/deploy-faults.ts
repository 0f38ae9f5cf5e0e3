/** Deployments: bad input, odd things, and bad moments. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DENDRO } from '../context.ts'
import type { TestTable } from '../context.ts'

import {
  site,
  nextVersion,
  edit,
  assemble,
  release,
  versions,
  exactly,
  write,
} from '../site.ts'
import type { Status } from '../site.ts'

export const tests: TestTable = {
  'commits that cannot be deployed are refused': s0 => {
    const s = site(s0)
    const refused = (why: RegExp, work: (tree: string) => void) => {
      const tree = s.t.makeDirectory('bad')
      work(tree)
      s.dendro('commit', '-b', 'bad', tree)
      const { status, stderr } = s.try('deploy', 'bad')
      assert.equal(status, 1)
      assert.match(stderr, why)
      assert.equal(
        s.dendro('status'),
        'no deployments; dendro deploy REV makes one',
      )
      rmSync(tree, { recursive: true })
    }
    refused(/no directory \/usr/, tree => write(tree, { 'etc/x': '' }))
    refused(/files in both \/etc and \/usr\/etc/, tree =>
      write(tree, { 'etc/x': '', 'usr/etc/y': '' }),
    )
    refused(/neither \/usr\/etc nor \/etc/, tree =>
      write(tree, { 'usr/x': '' }),
    )
    refused(/no directory \/usr/, tree => {
      symlinkSync('etc', join(tree, 'usr'))
    })
    assert.equal(s.try('deploy').status, 2)
    assert.equal(s.try('rollback').status, 1)
    assert.match(
      s.try('deploy', 'os/test', '--os', '../x').stderr,
      /bad OS name/,
    )
    assert.equal(s.try('deploy', 'os/test', '--keep', '0').status, 2)
    assert.match(s.try('run', '--', 'true').stderr, /there is no deployment/)
  },
  'odd things in /etc are carried over': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const etc = join(assemble(s), 'etc')
    s.t.sh(
      `
      cd "$1"
      mkfifo fifo; mknod device c 1 3 && mknod block b 7 0
      python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('socket')"
      printf odd > "$(printf 'caf\\351')"; printf x > "$(printf 'line\\nend')"
      ln -s /etc/shadow outside; ln -s nowhere dangling
      truncate -s 100M sparse; mkdir -m 1777 sticky; touch setuid && chmod 4755 setuid
      `,
      etc,
    )
    // A device 0:0 is how the overlay itself hides a name: it takes none.
    const before = exactly(s.t, etc)
    nextVersion(s)
    release(s)
    s.dendro('upgrade')
    const now = join(assemble(s), 'etc')
    const listed = (text: string) =>
      text
        .split('\n')
        .filter(
          line =>
            !/ \.\/(text|passwd|clash|arrives|d|vanishes)\b|^\.\/(text|passwd|clash|arrives|d|vanishes)\b/.test(
              line,
            ),
        )
    assert.deepEqual(listed(exactly(s.t, now)), listed(before))
    assert.ok(statSync(join(s.layer(), 'sparse')).blocks < 1000)
    release(s)
    // A link in the layer that leads out is kept as a link, and never followed.
    const victim = s.t.makeDirectory('victim')
    writeFileSync(join(victim, 'x'), 'safe\n')
    symlinkSync(victim, join(s.layer(), 'd'))
    write(s.tree, { 'usr/etc/d/x': 'attack\n' })
    s.dendro('commit', '-b', 'os/test', s.tree)
    s.dendro('upgrade')
    s.dendro('etc', 'reset', 'd')
    assert.deepEqual(readdirSync(victim), ['x'])
    assert.equal(readFileSync(join(victim, 'x'), 'utf8'), 'safe\n')
  },
  'a policy that forbids stops a deploy, and nothing has changed': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    edit(s)
    s.run(
      'mkdir -p /etc/dendro; echo "/etc/clash fail" > /etc/dendro/merge.policy',
    )
    nextVersion(s)
    const { status, stderr } = s.try('upgrade')
    assert.equal(status, 1)
    assert.match(stderr, /\/etc\/clash, which both sides changed/)
    assert.deepEqual(versions(s), ['23.31'])
    s.run('echo "cla* take-theirs" > /etc/dendro/merge.policy')
    s.dendro('upgrade')
    assert.ok(!existsSync(join(s.layer(), 'clash')))
    s.run('echo nonsense > /etc/dendro/merge.policy')
    assert.match(s.try('deploy', '23.31').stderr, /bad line 1 of \/etc\/dendro/)
  },
  'a deploy goes on while the running /etc changes': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const root = assemble(s)
    const flicker = spawn('sh', [
      '-c',
      'cd "$1"; while [ -d . ]; do for i in 1 2 3 4 5 6 7 8; do mkdir d$i; echo $i > d$i/f; echo $i > g$i; done; rm -r d[1-8] g[1-8]; done',
      'sh',
      join(root, 'etc'),
    ])
    const ended = new Promise(done => flicker.on('close', done))
    try {
      nextVersion(s)
      for (let round = 0; round < 6; round++)
        s.dendro('deploy', round % 2 === 0 ? '23.32' : '23.31')
    } finally {
      flicker.kill('SIGKILL')
      await ended
      release(s)
    }
  },
  'deploys at once wait for one another': async s0 => {
    const s = site(s0)
    write(s.sysroot, { 'dendro/deploy/README': 'somebody wrote this\n' })
    const children = [0, 1, 2, 3, 4, 5].map(
      () =>
        new Promise<number | null>(done => {
          spawn(DENDRO, ['--sysroot', s.sysroot, 'deploy', 'os/test'], {
            stdio: 'ignore',
            env: { PATH: process.env['PATH'] ?? '' },
          }).on('close', done)
        }),
    )
    assert.deepEqual(await Promise.all(children), [0, 0, 0, 0, 0, 0])
    assert.equal(versions(s).length, 3)
    assert.equal(
      new Set(s.json<Status>('status').deployments.map(d => d.deployment)).size,
      3,
    )
  },
  'a deploy that is killed leaves the old or the new': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    edit(s)
    nextVersion(s)
    for (let round = 0; round < 15; round++) {
      const child = spawn(
        'node',
        [
          join(DENDRO, '../../dist/bundle/main.cjs'),
          '--sysroot',
          s.sysroot,
          'deploy',
          round % 2 === 0 ? '23.32' : '23.31',
        ],
        { stdio: 'ignore', env: { PATH: process.env['PATH'] ?? '' } },
      )
      const ended = new Promise(done => child.on('close', done))
      await new Promise(done => setTimeout(done, 40 + Math.random() * 160))
      child.kill('SIGKILL')
      await ended
      for (const { deployment, version } of s.json<Status>('status')
        .deployments) {
        assert.match(version, /^23\.3[12]$/)
        assert.ok(existsSync(join(s.sysroot, 'dendro/deploy', deployment)))
      }
    }
    s.dendro('deploy', '23.32')
    assert.equal(readFileSync(join(s.layer(), 'mine.d/x'), 'utf8'), 'x\n')
    s.dendro('fsck')
  },
  'a full disk stops a deploy, and nothing has changed': s0 => {
    const t = s0
    const disk = t.makeDirectory('sysroot')
    t.sh('mount -t tmpfs -o size=48m tmpfs "$1"', disk)
    const s = site(t)
    s.dendro('deploy', 'os/test')
    edit(s)
    nextVersion(s)
    s.run('cat /usr/bin/bash > /etc/large')
    t.sh('head -c 100M /dev/zero > "$1/fill" || true', disk)
    const { status, stderr } = s.try('upgrade')
    assert.equal(status, 1)
    assert.match(stderr, /no space left/i)
    assert.deepEqual(versions(s), ['23.31'])
    rmSync(join(disk, 'fill'))
    s.dendro('upgrade')
    assert.deepEqual(versions(s), ['23.32', '23.31'])
  },
}
