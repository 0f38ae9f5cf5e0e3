/** Where a commit is checked out to: mount points, odd names, other file systems. */

import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { DENDRO, list } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { makeOddTree } from '../odd-tree.ts'

/** Commits one small file; with `script` run in the tree before. */
const commitTree = (t: TestContext, script = ':'): string => {
  const source = t.makeDirectory('source')
  writeFileSync(`${source}/file`, 'content')
  t.sh(`cd "$1" && ${script}`, source)
  t.dendro('init')
  t.commit('r', source)
  return source
}

/** Mounts a new file system at `name`. */
const fileSystem = (t: TestContext, name: string, type: string): string => {
  const directory = t.makeDirectory(name)
  t.run('mount', ['-t', type, type, directory])
  return directory
}

const acls = (t: TestContext, directory: string): string =>
  t.sh('cd "$1" && find . | sort | xargs -d "\\n" getfacl -nEp', directory)

/** Asserts that a checkout is refused, in one line, and that it left nothing. */
const assertRefused = (
  t: TestContext,
  target: string,
  pattern: RegExp,
  directory: string,
): void => {
  const before = list(directory)
  const { status, stderr } = t.tryDendro('checkout', 'r', target)
  assert.equal(status, 1)
  assert.match(stderr, pattern)
  assert.match(stderr, /^dendro: cannot check out to [^\n]* \([^\n]*\)\n$/)
  assert.deepEqual(list(directory), before)
}

export const tests: TestTable = {
  'a checkout has the ACLs of the commit, and none of the directory above it':
    t => {
      const source = commitTree(
        t,
        'mkdir private shared && chmod 700 private && echo a >shared/a && setfacl -m u:1001:r shared/a && setfacl -d -m u:1001:rx shared',
      )
      const target = t.makeDirectory('target')
      t.run('setfacl', ['-d', '-m', 'u:1000:rwx', target])
      mkdirSync(`${target}/empty`)
      for (const name of ['new', 'empty']) {
        t.dendro('checkout', 'r', `${target}/${name}`)
        assert.equal(acls(t, `${target}/${name}`), acls(t, source))
      }
    },
  'into a mount point, and nothing is written beside it': t => {
    const source = commitTree(
      t,
      'chmod 751 . && head -c 3000000 /dev/zero | tr "\\0" x >large',
    )
    const small = t.makeDirectory('small')
    t.run('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', small])
    const inner = t.makeDirectory('small', 'inner')
    t.run('mount', ['-t', 'tmpfs', '-o', 'size=60M', 'tmpfs', inner])
    t.dendro('checkout', 'r', inner)
    t.run('diff', ['-r', source, inner])
    assert.equal(t.run('stat', ['-c', '%a', inner]).trim(), '751')
    assert.deepEqual(list(small), ['inner'])
  },
  'into the working directory, a link, and the longest name': t => {
    commitTree(t)
    const here = t.makeDirectory('here')
    const read = (path: string) => t.run('cat', [path])
    const inHere = t.run(
      'sh',
      ['-euc', '"$1" checkout r . && cat file', 'sh', DENDRO],
      { cwd: here },
    )
    assert.equal(inHere, 'content')
    t.makeDirectory('linked')
    symlinkSync('linked', t.path('link'))
    t.dendro('checkout', 'r', t.path('link'))
    assert.equal(read(t.path('linked/file')), 'content')
    const longest = t.path('x'.repeat(255))
    t.dendro('checkout', 'r', longest)
    assert.equal(read(`${longest}/file`), 'content')
  },
  'a link with a slash behind it is committed as what it leads to': t => {
    commitTree(t)
    symlinkSync('source', t.path('link'))
    assert.equal(t.tryDendro('commit', '-b', 'l', t.path('link')).status, 1)
    t.commit('l', `${t.path('link')}/`)
    assert.equal(t.dendro('cat', 'l', 'file'), 'content')
  },
  'a file system without xattrs: refused, or without them on request': t => {
    commitTree(t, 'setfattr -n user.k -v v file && setfattr -n user.k -v v .')
    const plain = fileSystem(t, 'plain', 'ramfs')
    assertRefused(t, `${plain}/out`, /keeps no xattrs.*--no-xattrs/, plain)
    const { status, stderr } = t.tryDendro(
      'checkout',
      '--no-xattrs',
      'r',
      `${plain}/out`,
    )
    assert.equal(status, 0)
    assert.match(
      stderr,
      /^dendro: left out: the xattrs of 2 files and directories\n$/,
    )
    assert.equal(t.run('cat', [`${plain}/out/file`]), 'content')
  },
  'a file system without owners, links or pipes: refused, saying what it lacks':
    t => {
      const source = t.path('source')
      makeOddTree(source, { withXattrs: false })
      t.dendro('init')
      t.commit('r', source)
      const disk = t.path('disk')
      const plain = t.makeDirectory('exfat')
      t.sh(
        'truncate -s 40M "$1" && mkfs.exfat "$1" && loop=$(losetup -f --show "$1") && mount.exfat-fuse "$loop" "$2" && losetup -d "$loop"',
        disk,
        plain,
      )
      assertRefused(t, `${plain}/out`, /keeps no owners/, plain)
      const asUser = t.tryDendro('checkout', '--user', 'r', `${plain}/out`)
      assert.match(asUser.stderr, /keeps no hard links/)
      assert.deepEqual(list(plain), [])
    },
  'a tree of 1,400 directories below one another': t => {
    const tmpfs = fileSystem(t, 'tmpfs', 'tmpfs')
    t.sh(
      'mkdir "$1/s" && cd "$1/s" && for i in $(seq 1400); do mkdir d && cd d; done && echo bottom >file && ln file link',
      tmpfs,
    )
    t.dendro('init')
    t.commit('r', `${tmpfs}/s`)
    t.dendro('checkout', 'r', `${tmpfs}/out`)
    const told = t.sh(
      'cd "$1/out" && for i in $(seq 1400); do cd d; done && cat file && stat -c %h link',
      tmpfs,
    )
    assert.equal(told, 'bottom\n2\n')
  },
}
