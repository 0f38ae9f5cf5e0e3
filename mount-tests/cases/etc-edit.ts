/**
 * Single changes of an /etc whose root may do anything in it, and of one in
 * which something cannot be changed.
 */

import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DENDRO } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { assemble, nextVersion, release, site, write } from '../site.ts'
import type { Site } from '../site.ts'

const operations = (s: Site): string[] => s.dendro('op', 'log').split('\n')

const refuses = (s: Site, why: RegExp, ...args: string[]): void => {
  const before = operations(s)
  const { status, stderr } = s.try(...args)
  assert.equal(status, 1, `${args.join(' ')}: ${stderr}`)
  assert.match(stderr, why)
  assert.deepEqual(operations(s), before)
}

/** A running deployment, and a directory of the host that is to stay as it is. */
const withVictim = (t: TestContext) => {
  const s = site(t)
  s.dendro('deploy', 'os/test')
  const root = assemble(s)
  const victim = t.makeDirectory('victim')
  /** Puts a link to it in the place of a directory of /etc. */
  const trap = (name: string): void => {
    rmSync(join(victim, 'one'), { force: true })
    writeFileSync(join(victim, 'one'), 'safe\n', { mode: 0o644 })
    rmSync(join(root, 'etc', name), { recursive: true, force: true })
    symlinkSync(victim, join(root, 'etc', name))
  }
  const isSafe = (): void => {
    assert.deepEqual(readdirSync(victim), ['one'])
    assert.equal(readFileSync(join(victim, 'one'), 'utf8'), 'safe\n')
    assert.equal(statSync(join(victim, 'one')).mode & 0o7777, 0o644)
  }
  return { s, root, trap, isSafe }
}

const LINK =
  /cannot change \/etc\/d\/one: \/etc\/d is a link or a file \(dendro etc reset/

export const tests: TestTable = {
  'a link in place of a directory leads nothing out of the root': t => {
    const { s, root, trap, isSafe } = withVictim(t)
    writeFileSync(join(root, 'etc/d/one'), 'from inside\n', { mode: 0o4755 })
    s.dendro('etc', 'reset', 'd/one')
    for (const args of [
      ['undo'],
      ['etc', 'restore', 'd/one@{1}'],
      ['etc', 'reset', 'd/one'],
    ]) {
      trap('d')
      refuses(s, LINK, ...args)
      isSafe()
    }
    // The link itself is a difference, and goes.
    s.dendro('etc', 'reset', 'd')
    isSafe()
    assert.equal(readFileSync(join(root, 'etc/d/one'), 'utf8'), '1\n')
    trap('d')
    s.dendro('etc', 'reset')
    isSafe()
    assert.ok(lstatSync(join(root, 'etc/d')).isDirectory())
    release(s)
  },

  'nor does it when a conflict is settled, or a layer is read': t => {
    const { s, root, trap, isSafe } = withVictim(t)
    writeFileSync(join(root, 'etc/d/one'), 'mine\n')
    nextVersion(s)
    s.dendro('upgrade')
    release(s)
    assemble(s, '0')
    trap('d')
    refuses(s, LINK, 'etc', 'resolve', 'd/one', '--theirs')
    isSafe()
    // What the link leads to is in no diff and no next version.
    assert.doesNotMatch(s.dendro('etc', 'diff'), /d\/one/)
    s.t.sh(
      'mkfifo "$1"; mknod "$2" c 1 8',
      join(root, 'etc/pipe'),
      join(root, 'etc/random'),
    )
    s.dendro('deploy', 'os/test')
    assert.ok(lstatSync(join(s.layer(), 'd')).isSymbolicLink())
    assert.ok(lstatSync(join(s.layer(), 'pipe')).isFIFO())
    assert.ok(lstatSync(join(s.layer(), 'random')).isCharacterDevice())
    release(s)
  },

  'a directory of /var that is a link gets nothing new': t => {
    const s = site(t)
    s.dendro('deploy', 'os/test')
    const victim = t.makeDirectory('victim')
    const lib = join(s.sysroot, 'dendro/deploy/test/var/lib/app')
    rmSync(lib, { recursive: true })
    symlinkSync(victim, lib)
    write(s.tree, { 'var/lib/app/more/file': 'new\n' })
    nextVersion(s)
    s.dendro('deploy', 'os/test')
    assert.deepEqual(readdirSync(victim), [])
  },

  'what cannot be changed stops a reset before it begins': t => {
    const s = site(t)
    s.dendro('deploy', 'os/test')
    const root = assemble(s)
    const file = (name: string) => join(root, 'etc', name)
    const names = ['clash', 'same', 'text']
    const mine = (): string =>
      names.map(name => readFileSync(file(name), 'utf8')).join('')
    for (const name of names) writeFileSync(file(name), `my ${name}\n`)
    const before = mine()
    s.t.sh('chattr +i "$1"', file('same'))
    refuses(
      s,
      /cannot change \/etc\/same: it is immutable \(chattr -i/,
      'etc',
      'reset',
    )
    assert.equal(mine(), before)
    s.dendro('etc', 'reset', '--keep', 'same')
    assert.equal(readFileSync(file('clash'), 'utf8'), 'default\n')
    s.dendro('undo')
    assert.equal(mine(), before)
    release(s)
    // Away from the mount too: nothing but the file that is named.
    refuses(s, /cannot change \/etc\/same: it is immutable/, 'etc', 'reset')
    assert.deepEqual(readdirSync(join(s.layer(), '..')).sort(), [
      'upper',
      'work',
    ])
    assemble(s)
    s.t.sh('chattr -i "$1"', file('same'))
    release(s)
    s.dendro('etc', 'reset')
    assert.equal(s.dendro('etc', 'diff'), '')
    assert.deepEqual(readdirSync(join(s.layer(), '..')).sort(), [
      'upper',
      'work',
    ])
  },

  'mounts in /etc and over it stop a reset before it begins': t => {
    const s = site(t)
    s.dendro('deploy', 'os/test')
    const root = assemble(s)
    const file = (name: string) => join(root, 'etc', name)
    writeFileSync(file('same'), 'mine\n')
    writeFileSync(file('d/one'), 'mine\n')
    const other = t.makeDirectory('other')
    writeFileSync(join(other, 'one'), 'bound\n')
    const over = (target: string, source: string, work: () => void): void => {
      t.run('mount', ['--bind', source, target])
      try {
        work()
      } finally {
        t.run('umount', [target])
      }
    }
    over(file('same'), join(other, 'one'), () =>
      refuses(
        s,
        /cannot change \/etc\/same: something is mounted over it/,
        'etc',
        'reset',
      ),
    )
    over(file('d'), other, () => {
      refuses(
        s,
        /cannot change \/etc\/d\/one: something is mounted/,
        'etc',
        'reset',
      )
      // What is not in it can be changed.
      s.dendro('etc', 'reset', 'same')
    })
    assert.equal(readFileSync(join(other, 'one'), 'utf8'), 'bound\n')
    over(join(root, 'etc'), other, () =>
      refuses(
        s,
        /cannot change .*etc: something else is mounted over it/,
        'etc',
        'reset',
      ),
    )
    assert.deepEqual(readdirSync(other), ['one'])
    s.dendro('etc', 'reset')
    assert.equal(readFileSync(file('d/one'), 'utf8'), '1\n')
    release(s)
  },

  'names that are not UTF-8, in every verb': t => {
    const s = site(t)
    const said = (verb: string, suffix = '', ...flags: string[]): string =>
      t.sh(
        `unset DENDRO_REPO; dendro=$1 sysroot=$2 verb=$3 name=$(printf 'd/n\\351\\377%s' "$4"); shift 4
         exec "$dendro" --sysroot "$sysroot" etc "$verb" "$name" "$@"`,
        DENDRO,
        s.sysroot,
        verb,
        suffix,
        ...flags,
      )
    const name = Buffer.from('/n\xe9\xff', 'latin1')
    const at = (directory: string) =>
      Buffer.concat([Buffer.from(directory), name])
    const tree = at(join(s.tree, 'usr/etc/d'))
    writeFileSync(tree, 'default\n')
    s.dendro('commit', '-b', 'os/test', '--version', '23.31.1', s.tree)
    s.dendro('deploy', 'os/test')
    const root = assemble(s)
    const file = at(join(root, 'etc/d'))
    writeFileSync(file, 'mine\n')
    said('reset')
    assert.equal(readFileSync(file, 'utf8'), 'default\n')
    said('restore', '@{1}')
    assert.equal(readFileSync(file, 'utf8'), 'mine\n')
    said('own')
    said('own', '', '--off')
    writeFileSync(tree, 'theirs\n')
    s.dendro('commit', '-b', 'os/test', '--version', '23.31.2', s.tree)
    s.dendro('upgrade')
    assert.match(s.dendro('etc', 'conflicts'), /n\\351\\377/)
    said('resolve', '', '--theirs')
    assert.equal(s.dendro('etc', 'conflicts'), '')
    s.dendro('undo')
    assert.match(s.dendro('etc', 'conflicts'), /n\\351\\377/)
    assert.equal(readFileSync(at(join(s.layer(), 'd')), 'utf8'), 'mine\n')
    said('resolve', '', '--mine')
    release(s)
  },

  'an account that is left out is told of until that is settled': t => {
    const s = site(t)
    const account = (name: string, line: string) => {
      const file = join(s.tree, 'usr/etc', name)
      appendFileSync(file, `${line}\n`)
    }
    account('group', 'root:x:0:')
    s.dendro('commit', '-b', 'os/test', '--version', '1', s.tree)
    s.dendro('deploy', 'os/test')
    s.run(
      'echo docker:x:998: >>/etc/group; echo a:x:1000:0::/:/bin/sh >>/etc/passwd',
    )
    account('group', 'svc:x:998:')
    account('passwd', 'svc:x:997:998::/:/bin/false')
    s.dendro('commit', '-b', 'os/test', '--version', '2', s.tree)
    const told =
      /group: svc would have the number 998 of docker[^]*passwd: svc would be in the group docker/
    assert.match(
      s.dendro('etc', 'merge', '--dry-run', 'os/test'),
      /conflict \/etc\/group/,
    )
    s.dendro('upgrade')
    assert.match(s.dendro('etc', 'conflicts'), told)
    account('group', 'more:x:50:')
    account('passwd', 'more:x:50:50::/:/bin/false')
    s.dendro('commit', '-b', 'os/test', '--version', '3', s.tree)
    s.dendro('upgrade')
    assemble(s, '0')
    const etc = (name: string) =>
      readFileSync(t.path('root', 'etc', name), 'utf8')
    assert.match(etc('passwd'), /^more:/m)
    assert.doesNotMatch(etc('passwd') + etc('group'), /^svc:/m)
    release(s)
    assert.match(s.dendro('etc', 'conflicts'), told)
    s.dendro('etc', 'resolve', 'group', '--mine')
    s.dendro('etc', 'resolve', 'passwd', '--mine')
    assert.equal(s.dendro('etc', 'conflicts'), '')
  },

  'what a killed change left in a mounted /etc goes with the next': t => {
    const s = site(t)
    s.dendro('deploy', 'os/test')
    const root = assemble(s)
    const left = join(root, 'etc/d/.dendro.4711.0123456789ab.tmp')
    mkdirSync(left)
    writeFileSync(join(left, 'x'), '')
    writeFileSync(join(root, 'etc/same'), 'mine\n')
    s.dendro('etc', 'reset', 'same')
    assert.ok(!existsSync(left))
    release(s)
  },
}
