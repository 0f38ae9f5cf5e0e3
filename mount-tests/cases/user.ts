/** An ordinary user mounts through fusermount3. */

import assert from 'node:assert/strict'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../context.ts'
import type { CommandResult, TestContext, TestTable } from '../context.ts'
import { openDevices } from '../devices.ts'

/** nobody: fusermount3 wants a user that has a name. */
const UID = 65534
const PROGRAM = new URL('../../../scripts/dendro', import.meta.url).pathname

const asUser = (t: TestContext, ...args: string[]): CommandResult =>
  t.try(
    'setpriv',
    [`--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', ...args],
    {
      env: { XDG_RUNTIME_DIR: t.path('runtime') },
    },
  )

const start = (t: TestContext): string => {
  const source = t.makeDirectory('source')
  writeFileSync(join(source, 'file'), 'one\n')
  t.sh('mkdir "$1/sub"; echo deep > "$1/sub/deep"', source)
  openDevices(t)
  t.dendro('init')
  // Of root's, and opened on purpose.
  chmodSync(t.repository, 0o755)
  const id = t.commit('r', source)
  for (const name of ['mnt', 'runtime']) {
    chownSync(t.makeDirectory(name), UID, UID)
    chmodSync(t.path(name), 0o700)
  }
  return id
}

const works = (result: CommandResult): string => {
  assert.equal(result.status, 0, result.stderr)
  return result.stdout.trim()
}

export const tests: TestTable = {
  'a server that is killed is only a pause': async t => {
    start(t)
    const mounted = t.path('mnt')
    works(asUser(t, PROGRAM, 'mount', 'r', mounted))
    const processes = () =>
      JSON.parse(
        works(asUser(t, PROGRAM, 'mount', 'stats', mounted, '--json')),
      ) as { pid: number; keeperPid: number }
    const before = processes()
    process.kill(before.pid, 'SIGKILL')
    assert.equal(works(asUser(t, 'cat', `${mounted}/file`)), 'one')
    process.kill(before.keeperPid, 'SIGKILL')
    await waitFor(
      'another keeper',
      () => processes().keeperPid !== before.keeperPid,
    )
    process.kill(processes().pid, 'SIGKILL')
    assert.equal(works(asUser(t, 'cat', `${mounted}/sub/deep`)), 'deep')
    works(asUser(t, PROGRAM, 'umount', mounted))
  },
  'the whole view, and umount': t => {
    const id = start(t)
    works(asUser(t, PROGRAM, 'mount', t.path('mnt')))
    assert.equal(works(asUser(t, 'cat', t.path('mnt/refs/r/file'))), 'one')
    assert.equal(works(asUser(t, 'ls', t.path('mnt/commits'))), id)
    works(asUser(t, PROGRAM, 'umount', t.path('mnt')))
    assert.equal(works(asUser(t, 'ls', t.path('mnt'))), '')
  },
  'a commit, and a directory in one, as the root of a connection': t => {
    start(t)
    works(asUser(t, PROGRAM, 'mount', 'r', t.path('mnt')))
    assert.equal(
      works(
        asUser(
          t,
          'sh',
          '-c',
          'cd "$1" && ls && cat sub/deep',
          'sh',
          t.path('mnt'),
        ),
      ),
      'file\nsub\ndeep',
    )
    const stats = works(
      asUser(t, PROGRAM, '--json', 'mount', 'stats', t.path('mnt')),
    )
    assert.ok((JSON.parse(stats) as { nodes: number }).nodes > 0)
    works(asUser(t, PROGRAM, 'umount', t.path('mnt')))
    works(asUser(t, PROGRAM, 'mount', 'r', '--subdir', 'sub', t.path('mnt')))
    assert.equal(works(asUser(t, 'ls', t.path('mnt'))), 'deep')
    works(asUser(t, PROGRAM, 'umount', t.path('mnt')))
  },
  'a repository of root is closed until it is opened': t => {
    start(t)
    chmodSync(t.repository, 0o700)
    const refused = asUser(t, PROGRAM, 'mount', 'r', t.path('mnt'))
    assert.equal(refused.status, 1)
    assert.match(
      refused.stderr,
      /^dendro: cannot open the repository .*: permission denied \(its owner opens it to others with chmod go\+rx\)\n$/,
    )
  },
  'suid and dev are for root alone': t => {
    start(t)
    const refused = asUser(
      t,
      PROGRAM,
      'mount',
      '-o',
      'suid',
      'r',
      t.path('mnt'),
    )
    assert.equal(refused.status, 1)
    assert.match(
      refused.stderr,
      /^dendro: cannot mount with suid or dev: only root may/,
    )
  },
  'a mount point of somebody else': t => {
    start(t)
    chownSync(t.path('mnt'), 0, 0)
    chmodSync(t.path('mnt'), 0o755)
    const refused = asUser(t, PROGRAM, 'mount', 'r', t.path('mnt'))
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /^dendro: cannot mount at .*\n$/)
  },
}
