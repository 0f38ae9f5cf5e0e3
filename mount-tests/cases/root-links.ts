/** Links where a root mounts or writes something: none leads out of it. */

import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { readMountTable } from '../../src/system/mount-table.ts'
import type { TestTable } from '../context.ts'
import { assemble, nextVersion, release, site, write } from '../site.ts'
import type { Site } from '../site.ts'

/** A directory of the host that must stay as it is. */
const makeVictim = (s: Site): string => {
  const victim = s.t.makeDirectory('victim')
  fill(victim)
  return victim
}

const fill = (victim: string): void => {
  writeFileSync(join(victim, 'passwd'), 'safe\n')
}

const isUntouched = (victim: string): void => {
  assert.deepEqual(readdirSync(victim), ['passwd'])
  assert.equal(readFileSync(join(victim, 'passwd'), 'utf8'), 'safe\n')
  const mounts = readMountTable().map(({ mountpoint }) => mountpoint)
  assert.deepEqual(
    mounts.filter(mountpoint => mountpoint.startsWith(victim)),
    [],
  )
}

const commitTree = (s: Site): void => {
  s.dendro('commit', '-b', 'os/test', s.tree)
}

export const tests: TestTable = {
  'a commit with a link at a mount point is refused, with the reason': s0 => {
    const s = site(s0)
    const victim = makeVictim(s)
    for (const name of ['dev', 'proc', 'run', 'sys', 'sysroot', 'tmp', 'etc']) {
      symlinkSync(victim, join(s.tree, name))
      commitTree(s)
      const why = new RegExp(`its /${name} is a link to ${victim}`)
      for (const refused of [
        s.try('deploy', 'os/test'),
        s.try('run', 'os/test', '--', '/bin/true'),
        s.try('instance', 'create', 'i', 'os/test'),
      ]) {
        assert.equal(refused.status, 1)
        assert.match(refused.stderr, why)
      }
      rmSync(join(s.tree, name))
    }
    writeFileSync(join(s.tree, 'proc'), '')
    commitTree(s)
    assert.match(s.try('deploy', 'os/test').stderr, /its \/proc is a file/)
    rmSync(join(s.tree, 'proc'))
    renameSync(join(s.tree, 'var'), join(s.tree, 'usr/var'))
    symlinkSync('usr/var', join(s.tree, 'var'))
    commitTree(s)
    assert.match(
      s.try('deploy', 'os/test').stderr,
      /its \/var is a link to usr/,
    )
    isUntouched(victim)
  },
  'a /boot that is a link is not mounted upon': s0 => {
    const s = site(s0)
    const victim = makeVictim(s)
    symlinkSync(victim, join(s.tree, 'boot'))
    commitTree(s)
    s.dendro('deploy', 'os/test')
    assemble(s)
    isUntouched(victim)
    release(s)
    s.run('true')
    isUntouched(victim)
  },
  '/etc and /usr/etc may be links to one another': s0 => {
    const s = site(s0)
    symlinkSync('usr/etc', join(s.tree, 'etc'))
    commitTree(s)
    s.dendro('deploy', 'os/test')
    const check = () => {
      const root = assemble(s)
      writeFileSync(join(root, 'etc/same'), 'mine\n')
      assert.equal(s.dendro('etc', 'diff'), 'M /etc/same')
      release(s)
      assert.equal(s.run('cat /etc/same'), 'mine')
      return root
    }
    const root = check()
    assert.equal(s.run('cat /usr/etc/same'), 'same')
    assert.ok(!existsSync(join(root, 'etc')))
    s.dendro('etc', 'reset')
    rmSync(join(s.tree, 'etc'))
    renameSync(join(s.tree, 'usr/etc'), join(s.tree, 'etc'))
    symlinkSync('../etc', join(s.tree, 'usr/etc'))
    commitTree(s)
    s.dendro('deploy', 'os/test')
    check()
    assert.equal(s.run('cat /usr/etc/same'), 'mine')
  },
  '/tmp may be a link to where files can be made': s0 => {
    const s = site(s0)
    const layouts = [
      ['sysroot/tmp', []],
      ['/sysroot/tmp', ['sysroot']],
      ['var/tmp', []],
      ['../var/tmp/', ['var/tmp']],
      ['usr/tmp', ['usr/tmp']],
    ] as const
    for (const [target, directories] of layouts) {
      const added = directories.filter(name => !existsSync(join(s.tree, name)))
      for (const name of added) mkdirSync(join(s.tree, name))
      symlinkSync(target, join(s.tree, 'tmp'))
      commitTree(s)
      s.dendro('deploy', 'os/test')
      assemble(s)
      release(s)
      const script = ['--', '/bin/sh', '-c', 'echo x > /tmp/x && cat /tmp/x']
      assert.equal(s.dendro('run', ...script), 'x', target)
      assert.equal(s.dendro('run', 'os/test', ...script), 'x', target)
      s.dendro('instance', 'create', 'i', 'os/test')
      assert.equal(s.dendro('instance', 'run', 'i', ...script), 'x', target)
      s.dendro('instance', 'rm', 'i')
      rmSync(join(s.tree, 'tmp'))
      for (const name of added) rmSync(join(s.tree, name), { recursive: true })
    }
    // What is in /var/tmp stays.
    symlinkSync('var/tmp', join(s.tree, 'tmp'))
    commitTree(s)
    s.dendro('deploy', 'os/test')
    s.run('echo kept > /tmp/kept')
    assert.equal(s.run('cat /var/tmp/kept'), 'kept')
  },
  'links that an instance made lead to no place of the host': s0 => {
    const s = site(s0)
    // Below no mount point: the instance is to have the same path.
    const victim = mkdtempSync('/dendro-victim-')
    fill(victim)
    const upper = join(s.sysroot, 'dendro/instances/i/root/upper')
    for (const name of ['etc', 'var', 'dev', 'run', 'sys', 'tmp', 'proc']) {
      s.dendro('instance', 'create', 'i', 'os/test')
      symlinkSync(victim, join(upper, name))
      // /proc is mounted by who stands in the root already.
      const refused = name === 'proc' ? 125 : 1
      const run = () => s.try('instance', 'run', 'i', '--', '/bin/ls')
      assert.equal(run().status, refused)
      isUntouched(victim)
      // Where the same path is inside, that is meant.
      mkdirSync(join(upper, victim), { recursive: true })
      const { status, stderr } = run()
      assert.equal(status, 0, `${name}: ${stderr}`)
      isUntouched(victim)
      s.dendro('instance', 'rm', 'i')
    }
    rmSync(victim, { recursive: true })
  },
  'what an upgrade adds to /var goes through no link': s0 => {
    const s = site(s0)
    const victim = makeVictim(s)
    s.dendro('deploy', 'os/test')
    const shared = join(s.sysroot, 'dendro/deploy/test/var')
    symlinkSync(victim, join(shared, 'lib/new'))
    rmSync(join(shared, 'lib/app'), { recursive: true })
    symlinkSync(victim, join(shared, 'lib/app'))
    write(s.tree, {
      'var/lib/app/passwd': 'theirs\n',
      'var/lib/deep/a/b/c': 'deep\n',
      'var/own': 'new\n',
    })
    s.t.sh('chown 12:34 "$1" && chmod 2750 "$1"', join(s.tree, 'var/lib/deep'))
    nextVersion(s)
    s.dendro('upgrade')
    isUntouched(victim)
    assert.ok(lstatSync(join(shared, 'lib/app')).isSymbolicLink())
    const deep = lstatSync(join(shared, 'lib/deep'))
    assert.deepEqual([deep.uid, deep.gid, deep.mode & 0o7777], [12, 34, 0o2750])
    assert.equal(readFileSync(join(shared, 'lib/deep/a/b/c'), 'utf8'), 'deep\n')
    assert.equal(readFileSync(join(shared, 'own'), 'utf8'), 'new\n')
    // A package database behind a link is looked for inside, and a root is
    // taken apart by any path that leads to it.
    rmSync(join(shared, 'lib/dpkg'), { recursive: true, force: true })
    symlinkSync(victim, join(shared, 'lib/dpkg'))
    const root = assemble(s)
    isUntouched(victim)
    const link = s.t.path('link')
    symlinkSync(root, link)
    s.dendro('root', 'release', link)
    assert.match(s.try('root', 'release', root).stderr, /no root is assembled/)
  },
}
