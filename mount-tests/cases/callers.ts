/** What unusual callers ask for. */

import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import type { TestContext, TestTable } from '../context.ts'

const TEST_PROGRAMS = new URL('../../../mount-tests/', import.meta.url).pathname
const OTHER = 1000
/** What idmap.py adds to an owner. */
const SHIFT = 500_000

const makeSource = (t: TestContext): string => {
  const source = t.makeDirectory('source')
  mkdirSync(`${source}/etc`)
  writeFileSync(`${source}/etc/file`, 'text\n')
  writeFileSync(`${source}/private`, 'mine\n')
  chmodSync(`${source}/private`, 0o600)
  chownSync(`${source}/private`, OTHER, OTHER)
  t.dendro('init')
  t.commit('r', source)
  return source
}

export const tests: TestTable = {
  'owners are mapped where the mount maps them': t => {
    makeSource(t)
    const mounted = t.mount('r', t.path('mnt'))
    const mapped = t.makeDirectory('mapped')
    t.run('python3', [`${TEST_PROGRAMS}idmap.py`, mounted, mapped])
    const owners = t.sh('cd "$1" && stat -c "%n %u %g" etc private', mapped)
    const moved = OTHER + SHIFT
    assert.equal(owners, `etc ${SHIFT} ${SHIFT}\nprivate ${moved} ${moved}\n`)
    const readAs = (user: number) =>
      t.try('setpriv', [
        ...[`--reuid=${user}`, `--regid=${user}`, '--clear-groups'],
        ...['cat', `${mapped}/private`],
      ])
    assert.equal(readAs(moved).stdout, 'mine\n')
    assert.match(readAs(OTHER).stderr, /Permission denied/)
    assert.equal(t.try('test', ['-e', `${mapped}/absent`]).status, 1)
    t.sh('umount "$1"', mapped)
  },
  'names of 256 bytes and more are too long, everywhere': t => {
    makeSource(t)
    const mounted = t.mount('r', t.path('mnt'))
    const view = t.mount(t.path('view'))
    const look = (directory: string, length: number) =>
      t.try('stat', [`${directory}/${'n'.repeat(length)}`]).stderr
    for (const directory of [
      ...[mounted, `${mounted}/etc`, view, `${view}/refs`],
      ...[`${view}/commits`, `${view}/tags`, `${view}/by-version`],
    ]) {
      assert.match(look(directory, 255), /No such file/, directory)
      for (const length of [256, 1000])
        assert.match(look(directory, length), /File name too long/, directory)
    }
  },
  'with inode32 numbers have 32 bits, the same in every mount': t => {
    makeSource(t)
    const numbers = (): string => {
      const view = t.mount('-o', 'inode32', t.path('view'))
      const own = t.mount('-o', 'inode32', 'r', t.path('mnt'))
      // stat(2), then readdir(3).
      const told = t.sh(
        `cd "$2" && find . -printf '%i %p\\n' && find . -path './*' -prune -printf '%i %p\\n'
         ls -iR; ls -if "$1" "$1/refs"; stat -c '%i %n' "$1/refs" "$1/refs/r/etc"`,
        view,
        own,
      )
      for (const [number] of told.matchAll(/\b\d{8,}\b/g))
        assert.ok(Number(number) < 2 ** 32, number)
      t.dendro('umount', own)
      t.dendro('umount', view)
      return told
    }
    const first = numbers()
    assert.match(first, /^\d+ \.\/etc$/m)
    const [, stat] = /^(\d+) \.\/private$/m.exec(first) ?? []
    const [, listed] = /^\s*(\d+) private$/m.exec(first) ?? []
    assert.equal(listed, stat)
    assert.equal(numbers(), first)
    t.mount('r', t.path('plain'))
    const refused = t.tryDendro('mount', '-o', 'inode32', 'r', t.path('mnt'))
    assert.match(refused.stderr, /served with inode numbers of 64 bits/)
  },
  'flags of chattr are told, and can be set in an overlay': t => {
    makeSource(t)
    const mounted = t.mount('r', t.path('mnt'))
    assert.match(t.run('lsattr', [`${mounted}/etc/file`]), /^-+ /)
    assert.match(t.run('lsattr', ['-d', `${mounted}/etc`]), /^-+ /)
    const frozen = t.try('chattr', ['+i', `${mounted}/etc/file`])
    assert.match(frozen.stderr, /Read-only file system/)
    t.sh(
      `mkdir "$2/upper" "$2/merged"
       mount -t tmpfs tmpfs "$2/upper"
       mkdir "$2/upper/u" "$2/upper/w"
       mount -t overlay -o "lowerdir=$1/etc,upperdir=$2/upper/u,workdir=$2/upper/w" \\
         overlay "$2/merged"
       cd "$2/merged"
       lsattr file
       chattr +i file
       lsattr file | grep -q -e '----i---'
       ! (echo more > file) 2> /dev/null
       chattr -i file
       echo more > file
       grep -q more file`,
      mounted,
      t.directory,
    )
  },
}
