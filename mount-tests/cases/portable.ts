/** The core of the mount tests over the transport fuse-native. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { list, waitFor } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { noise } from '../odd-tree.ts'

const NATIVE = ['-o', 'transport=fuse-native']

const start = (t: TestContext): string => {
  const source = t.makeDirectory('source')
  writeFileSync(`${source}/file`, 'one\n')
  writeFileSync(`${source}/große`, 'UTF-8 name\n')
  writeFileSync(`${source}/large`, noise(3_000_000, 4))
  t.sh(
    'cd "$1"; mkdir -p a/b empty; echo deep > a/b/c; ln -s a/b/c link; ln file hard; chmod 750 a; truncate -s 2M sparse; setfattr -n user.k -v v file',
    source,
  )
  // Times to the millisecond: what the transport can carry.
  t.sh('find "$1" -exec touch -hd @1500000000.25 {} +', source)
  t.dendro('init')
  t.commit('r', source)
  return source
}

export const tests: TestTable = {
  'rsync finds no difference in content and metadata': t => {
    const source = start(t)
    const mounted = t.mount(...NATIVE, 'r', t.path('mnt'))
    const told = t.run('rsync', [
      '-naAX',
      '--delete',
      '--checksum',
      '--itemize-changes',
      `${source}/`,
      `${mounted}/`,
    ])
    assert.equal(told, '')
    assert.equal(t.run('readlink', [`${mounted}/link`]), 'a/b/c\n')
    assert.match(t.run('getfattr', ['-d', `${mounted}/file`]), /user\.k="v"/)
  },
  'tar reads it whole, and cp -a copies it': t => {
    const source = start(t)
    const mounted = t.mount(...NATIVE, 'r', t.path('mnt'))
    t.run('cp', ['-a', `${mounted}/`, t.path('copy')])
    t.run('diff', ['-r', '--no-dereference', source, t.path('copy')])
    t.sh('tar cf - -C "$1" . | tar tf - > /dev/null', mounted)
  },
  'the view follows the repository within two seconds': async t => {
    const source = start(t)
    const view = t.mount(...NATIVE, t.path('view'))
    assert.deepEqual(list(view), ['by-version', 'commits', 'refs', 'tags'])
    assert.equal(readFileSync(`${view}/refs/r/file`, 'utf8'), 'one\n')
    writeFileSync(`${source}/file`, 'two\n')
    t.commit('r', source)
    await waitFor(
      'the moved ref',
      () => t.sh('cat "$1/refs/r/file"', view) === 'two\n',
      2500,
    )
  },
  'writing fails': t => {
    start(t)
    const mounted = t.mount(...NATIVE, 'r', t.path('mnt'))
    for (const attempt of [
      'touch "$1/new"',
      'rm "$1/file"',
      'mkdir "$1/d"',
      'chmod 600 "$1/file"',
    ])
      assert.notEqual(
        t.try('sh', ['-c', attempt, 'sh', mounted]).status,
        0,
        attempt,
      )
  },
  'a damaged chunk gives EIO on that read alone': t => {
    start(t)
    t.sh(
      'f=$(ls -S "$1"/packs/* | head -1); printf x | dd of="$f" bs=1 seek=1500000 conv=notrunc status=none',
      t.repository,
    )
    const mounted = t.mount(...NATIVE, 'r', t.path('mnt'))
    assert.match(
      t.try('cat', [`${mounted}/large`]).stderr,
      /Input\/output error/,
    )
    assert.equal(readFileSync(`${mounted}/file`, 'utf8'), 'one\n')
  },
  'requests are counted, and the other transport is refused beside it': t => {
    start(t)
    const mounted = t.mount(...NATIVE, 'r', t.path('mnt'))
    t.sh('cat "$1/file" > /dev/null', mounted)
    assert.ok((t.requests(mounted)['READ'] ?? 0) > 0)
    t.makeDirectory('other')
    const refused = t.tryDendro('mount', 'r', t.path('other'))
    assert.match(
      refused.stderr,
      /is served with fuse-native \(umount its other mounts first\)/,
    )
    t.dendro('umount', mounted)
  },
}
