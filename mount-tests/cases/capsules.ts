/** Repositories and sysroots as older programs wrote them: mounted, checked out, upgraded. */

import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DENDRO } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { write } from '../site.ts'

const REPOSITORY = resolve('src/upkeep/capsules/repository-1.tar.gz')
const SYSROOT = resolve('src/deploy/capsules/sysroot-1.tar.gz')

const unpack = (t: TestContext, capsule: string): void => {
  t.sh('tar --xattrs --xattrs-include="*" -xzf "$1" -C "$2"', capsule, t.path())
}

/** All of a tree that a person can see: names, contents, times, xattrs, ACLs. */
const picture = (t: TestContext, directory: string): string =>
  t.sh(
    `
    cd "$1"
    find . -printf '%P|%y|%m|%U|%G|%s|%T@|%n|%l\\n' | grep -v '|d|' | sort
    find . -type f -exec sha256sum {} + | sort
    find . | LC_ALL=C sort | xargs -d '\\n' getfacl -nP
    getfattr -d -m '^user' attributes
    `,
    directory,
  )

const mounted = (t: TestContext): void => {
  unpack(t, REPOSITORY)
  const repository = t.path('repository/repo')
  const dendro = (...args: string[]): string =>
    t.run(DENDRO, ['--repo', repository, ...args])
  dendro('fsck')
  assert.match(dendro('log', 'os/one'), /second[^]*first/)
  assert.equal(dendro('cat', 'kept', 'hello'), 'hello\n')
  const mountpoint = t.makeDirectory('mnt')
  dendro('mount', 'kept', mountpoint)
  const hello = statSync(join(mountpoint, 'hello'))
  assert.equal(hello.nlink, 2)
  assert.equal(statSync(join(mountpoint, 'usr/share/linked')).ino, hello.ino)
  const odd = Buffer.concat([
    Buffer.from(`${mountpoint}/usr/share/caf`),
    Buffer.from([0xe9]),
  ])
  assert.equal(readFileSync(odd, 'utf8'), 'not UTF-8\n')
  const device = lstatSync(join(mountpoint, 'null'))
  assert.ok(device.isCharacterDevice())
  assert.equal(device.rdev, 0x103)
  const target = t.path('out')
  dendro('checkout', 'kept', target)
  assert.equal(picture(t, mountpoint), picture(t, target))
  t.dendro('umount', mountpoint)
}

const upgraded = (t: TestContext): void => {
  unpack(t, SYSROOT)
  const sysroot = t.path('sysroot')
  const dendro = (...args: string[]): string =>
    t.run(DENDRO, ['--sysroot', sysroot, ...args], {
      env: { DENDRO_REPO: '' },
    })
  const versions = (): string[] =>
    (
      JSON.parse(dendro('--json', 'status')) as {
        deployments: { version: string }[]
      }
    ).deployments.map(({ version }) => version)
  assert.deepEqual(versions(), ['2', '1'])
  assert.match(dendro('etc', 'conflicts'), /clash/)
  assert.match(dendro('instance', 'list'), /box/)

  const tree = t.path('tree')
  const old = t.makeDirectory('old')
  dendro('mount', 'os/test', old)
  t.run('cp', ['-a', old, tree])
  t.dendro('umount', old)
  write(tree, { 'usr/etc/arrives': 'newer\n', 'usr/etc/third': '3\n' })
  dendro('commit', '-b', 'os/test', '--version', '3', tree)
  dendro('etc', 'resolve', 'clash', '--mine')
  dendro('upgrade')
  assert.deepEqual(versions(), ['3', '2', '1'])

  const root = t.makeDirectory('root')
  const etc = (name: string): string =>
    readFileSync(join(root, 'etc', name), 'utf8')
  dendro('root', 'assemble', '0', root)
  assert.equal(etc('text'), 'theirs\ntwo\nthree\nfour\nmine\n')
  assert.equal(etc('clash'), 'mine\n')
  assert.equal(etc('arrives'), 'newer\n')
  assert.equal(etc('d/one'), 'one\n')
  const names = readdirSync(join(root, 'etc'), 'latin1')
  assert.ok(names.includes('m\xe4ne'))
  assert.ok(!names.includes('removed'))
  assert.equal(readFileSync(join(root, 'var/lib/state'), 'utf8'), 'initial\n')
  dendro('root', 'release', root)

  dendro('rollback')
  assert.deepEqual(versions(), ['2', '3', '1'])
  dendro('undo')
  dendro('instance', 'rm', 'box')
  dendro('undeploy', '2')
  dendro('prune', '--keep-last', '1')
  dendro('fsck')
}

export const tests: TestTable = {
  'a repository of format 1 is mounted and checked out': mounted,
  'a sysroot of format 1 is upgraded, entered and rolled back': upgraded,
}
