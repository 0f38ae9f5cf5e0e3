/**
 * Files of a commit that are equal in everything, as those of a tree with
 * clamped times often are, wherever a layer lies over them: what is written to
 * one is in that one alone.
 */

import assert from 'node:assert/strict'
import { chmodSync, lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { list } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { assemble, release, site, write } from '../site.ts'
import type { Site } from '../site.ts'

/** In each directory, two groups of equal files. */
const FILES = {
  a: 'same\n',
  b: 'same\n',
  'd/c': 'same\n',
  'machine-id': '',
  environment: '',
}
const CLAMP = ['--mtime=clamp=1000000000']

/** A site whose tree has equal files in each of the named directories. */
const siteWith = (t: TestContext, ...directories: string[]): Site => {
  const s = site(t)
  for (const directory of directories)
    for (const [name, text] of Object.entries(FILES))
      write(s.tree, { [join(directory, name)]: text })
  s.dendro('commit', '-b', 'os/test', '--version', '24', ...CLAMP, s.tree)
  return s
}

/** Tells what is in the files of the directory $1. */
const TELL = `
  cd "$1"
  for file in a b d/c machine-id environment; do
    echo "$file:" $(cat "$file")
  done
`
/** Reads all and writes to two before. */
const CHANGE = `
  cd "$1"
  cat a b d/c machine-id environment > /dev/null
  echo 0123 > machine-id
  echo mine >> a
  ${TELL}
`
const CHANGED = [
  'a: same mine',
  'b: same',
  'd/c: same',
  'machine-id: 0123',
  'environment:',
]

const assertChanged = (told: string): void =>
  assert.deepEqual(told.split('\n'), CHANGED)

/** The same seen from outside. */
const assertFiles = (directory: string): void => {
  const read = (name: string) => readFileSync(join(directory, name), 'utf8')
  const names = Object.keys(FILES)
  assert.deepEqual(
    names.map(read),
    ['same\nmine\n', 'same\n', 'same\n', '0123\n', ''],
    directory,
  )
  for (const name of names)
    assert.equal(lstatSync(join(directory, name)).nlink, 1, name)
}

export const tests: TestTable = {
  'in /etc of a deployment, in its layer, after the next boot and in the next version':
    t => {
      const s = siteWith(t, 'usr/etc')
      s.dendro('deploy', 'os/test')
      assertChanged(s.run(CHANGE, '/etc'))
      let root = assemble(s)
      assertFiles(join(root, 'etc'))
      chmodSync(join(root, 'etc/b'), 0o600)
      writeFileSync(join(root, 'etc/environment'), 'LANG=C\n')
      const modes = ['a', 'b', 'd/c'].map(
        name => lstatSync(join(root, 'etc', name)).mode & 0o777,
      )
      assert.deepEqual(modes, [0o644, 0o600, 0o644])
      assert.deepEqual(list(s.layer()), ['a', 'b', 'environment', 'machine-id'])
      assert.match(
        s.dendro('etc', 'diff'),
        /^M \/etc\/a\b.*\nM \/etc\/b\b.*\nM \/etc\/environment\b.*\nM \/etc\/machine-id\b.*$/,
      )
      release(s)
      write(s.tree, { 'usr/etc/arrives': 'new\n' })
      s.dendro('commit', '-b', 'os/test', '--version', '25', ...CLAMP, s.tree)
      s.dendro('upgrade')
      root = assemble(s)
      const read = (name: string) =>
        readFileSync(join(root, 'etc', name), 'utf8')
      assert.deepEqual(
        ['a', 'b', 'd/c', 'machine-id', 'environment', 'arrives'].map(read),
        ['same\nmine\n', 'same\n', 'same\n', '0123\n', 'LANG=C\n', 'new\n'],
      )
      release(s)
    },
  'in /etc, /usr and /var of an instance': t => {
    const s = siteWith(t, 'usr/etc', 'usr/share/x', 'var/lib/x')
    s.dendro('instance', 'create', 'one', 'os/test')
    const run = (script: string, directory: string) =>
      s.dendro(
        ...['instance', 'run', 'one', '--'],
        ...['/bin/sh', '-euc', script, 'sh', directory],
      )
    for (const directory of ['/etc', '/usr/share/x', '/var/lib/x']) {
      assertChanged(run(CHANGE, directory))
      assertChanged(run(TELL, directory))
    }
    s.dendro('instance', 'rm', 'one')
  },
  'in /usr that was unlocked': t => {
    const s = siteWith(t, 'usr/share/x')
    s.dendro('deploy', 'os/test')
    const root = assemble(s)
    s.dendro('live', 'unlock')
    assertChanged(t.sh(CHANGE, join(root, 'usr/share/x')).trimEnd())
    assertFiles(join(root, 'usr/share/x'))
    s.dendro('live', 'lock')
    assert.equal(readFileSync(join(root, 'usr/share/x/a'), 'utf8'), 'same\n')
    release(s)
  },
  'in /etc of a commit that is run': t => {
    const s = siteWith(t, 'usr/etc')
    const id = s.dendro('rev-parse', 'os/test')
    const command = ['/bin/sh', '-euc', CHANGE, 'sh', '/etc']
    for (let i = 0; i < 2; i++)
      assertChanged(s.dendro('run', id, '--', ...command))
  },
}
