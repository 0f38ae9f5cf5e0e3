/** A deployment that waits for its boot, and the merge as the machine goes down. */

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DENDRO } from '../context.ts'
import type { TestTable } from '../context.ts'
import { assemble, nextVersion, release, site, write } from '../site.ts'
import type { Site, Status } from '../site.ts'

const remerge = (s: Site): string => s.dendro('deploy', '--remerge')
const first = (s: Site) => s.json<Status>('status').deployments[0]?.deployment

const KERNEL_BYTES = 1024 * 1024

/** The next version, with a kernel that no other has. */
const withKernel = (s: Site, version: string): void => {
  s.t.run('rm', ['-rf', join(s.tree, 'usr/lib/modules')])
  write(s.tree, { [`usr/lib/modules/${version}/initramfs.img`]: 'initramfs' })
  const kernel = join(s.tree, 'usr/lib/modules', version, 'vmlinuz')
  writeFileSync(kernel, randomBytes(KERNEL_BYTES))
  s.dendro('commit', '-b', 'os/test', '--version', version, s.tree)
}

export const tests: TestTable = {
  'a deployment that was booted keeps its /etc at a shutdown': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const root = assemble(s)
    nextVersion(s)
    s.dendro('upgrade')
    // Behind the merge of the shutdown, or when the power goes before it.
    writeFileSync(join(root, 'etc/late'), 'late\n')
    release(s)
    assemble(s, '0')
    writeFileSync(join(root, 'etc/mine'), 'mine\n')
    assert.match(remerge(s), /^Nothing to merge: the default .* runs/)
    release(s)
    s.dendro('rollback')
    assemble(s, '0')
    writeFileSync(join(root, 'etc/late'), 'later\n')
    s.dendro('rollback')
    const waiting = first(s)
    assert.match(remerge(s), /^Nothing to merge: .* was booted before/)
    assert.equal(first(s), waiting)
    release(s)
    assemble(s, '0')
    assert.equal(readFileSync(join(root, 'etc/mine'), 'utf8'), 'mine\n')
    assert.ok(!existsSync(join(root, 'etc/late')))
    release(s)
  },
  'what was prepared in the waiting one and what goes on meanwhile are merged':
    s0 => {
      const s = site(s0)
      s.dendro('deploy', 'os/test')
      const root = assemble(s)
      writeFileSync(join(root, 'etc/clash'), 'mine\n')
      nextVersion(s)
      s.dendro('upgrade')
      s.dendro('pin', '0')
      const inWaiting = (script: string) =>
        s.dendro('run', '-d', '0', '--', '/bin/sh', '-euc', script)
      inWaiting('echo prepared >/etc/prepared; echo prepared >/etc/same')
      s.dendro('etc', 'resolve', 'clash', '--theirs')
      writeFileSync(join(root, 'etc/late'), 'late\n')
      writeFileSync(join(root, 'etc/same'), 'running\n')
      assert.match(remerge(s), /conflict \/etc\/same: prepared here/)
      assert.equal(
        inWaiting('cat /etc/prepared /etc/late /etc/same /etc/clash'),
        'prepared\nlate\nprepared\ntheirs',
      )
      const status = () => s.json<Status>('status').deployments[0]
      assert.equal(status()?.pinned, true)
      assert.deepEqual(
        status()?.conflicts.map(({ path }) => path),
        ['same'],
      )
      s.dendro('etc', 'resolve', 'same', '--theirs', '--deployment', '0')
      assert.equal(inWaiting('cat /etc/same'), 'running')
      assert.match(remerge(s), /^Nothing to merge: \/etc was not changed since/)
      s.dendro('undo')
      s.dendro('undo')
      assert.equal(
        inWaiting('cat /etc/prepared /etc/same; test ! -e /etc/late'),
        'prepared\nprepared',
      )
      release(s)
    },
  'a small /boot: what leaves makes room, or a line says what would': s0 => {
    const s = site(s0)
    const boot = join(s.sysroot, 'boot')
    s.t.run('mount', ['-t', 'tmpfs', '-o', 'size=3500k', 'boot', boot])
    try {
      for (const version of ['1', '2', '3', '4', '5']) {
        withKernel(s, version)
        s.dendro('deploy', 'os/test')
        const kernels = readdirSync(join(boot, 'dendro'))
        assert.equal(kernels.length, Math.min(Number(version), 3))
      }
      assert.match(s.dendro('op', 'log'), /undeploy test .*, for room in /)
      for (const index of ['1', '2']) s.dendro('pin', index)
      withKernel(s, '6')
      const before = [s.dendro('status'), s.dendro('op', 'log')]
      const { status, stderr } = s.try('deploy', 'os/test')
      assert.equal(status, 1)
      assert.match(
        stderr,
        /its kernel takes 1\.1 MB in \S*boot, and .* are free/,
      )
      assert.deepEqual([s.dendro('status'), s.dendro('op', 'log')], before)
      s.dendro('unpin', '2')
      assert.match(
        s.try('deploy', 'os/test', '--keep', '9').stderr,
        /dendro undeploy 2/,
      )
      s.dendro('undeploy', '2')
      s.dendro('deploy', 'os/test')
    } finally {
      s.t.run('umount', [boot])
    }
  },
  'an installed machine follows the ref that was named, an @ in it or not':
    s0 => {
      const s = site(s0)
      withKernel(s, '1')
      for (const ref of ['plain', 'stable@home']) {
        s.dendro('commit', '-b', ref, '--version', '1', s.tree)
        s.dendro('commit', '-b', ref, '--version', '2', s.tree)
        for (const [step, version] of [
          ['', '2'],
          ['~1', '1'],
          ['@{1}', '1'],
        ]) {
          const target = s.t.path(`${ref}${step}`)
          const repository = join(s.sysroot, 'dendro/repo')
          const store = ['--karg', 'dendro.store=LABEL=x']
          s.t.run(DENDRO, [
            ...['--repo', repository, '--sysroot', target],
            ...['install', `${ref}${step}`, ...store],
          ])
          const status = s.t.run(DENDRO, ['--sysroot', target, 'status'], {
            env: { DENDRO_REPO: '' },
          })
          assert.match(status, new RegExp(`Ref: *${ref}\\n`))
          assert.match(status, new RegExp(`Version: *${version}\\n`))
          s.t.run('rm', ['-rf', target])
        }
      }
    },
}
