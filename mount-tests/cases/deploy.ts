/** Deployments: a commit as /usr, /etc carried over, and a way back. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
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
  PASSWD,
} from '../site.ts'
import type { Status } from '../site.ts'

export const tests: TestTable = {
  'deploy, edit, upgrade, roll back: as an administrator expects': s0 => {
    const s = site(s0)
    const first = s.dendro('deploy', 'os/test')
    assert.match(
      first,
      /^Transaction complete; bootconfig swap: yes; deployment count change: 1$/m,
    )
    edit(s)
    const before = exactly(s.t, s.layer())
    assert.equal(
      s.dendro('etc', 'diff'),
      [
        'M /etc/clash',
        'D /etc/deleted',
        'A /etc/mine.d',
        'A /etc/mine.d/x',
        'M /etc/moded (mode)',
        'M /etc/passwd',
        'M /etc/text',
        'A /etc/text.new',
      ].join('\n'),
    )
    assert.match(s.dendro('etc', 'diff', '-u'), /^\+alice:x:1000/m)
    nextVersion(s)
    const planned = s.dendro('etc', 'merge', '--dry-run', 'os/test')
    const done = s.dendro('upgrade')
    assert.match(done, /^Upgraded:\n {2}krb5-libs 1\.14-2 -> 1\.14-3$/m)
    assert.match(done, /conflict \/etc\/clash: both changed line 1/)
    assert.match(planned, /^conflict \/etc\/clash \(both changed line 1\)$/m)
    assert.match(planned, /^merged {3}\/etc\/passwd$/m)
    assert.equal(exactly(s.t, s.layer(1)), before, 'the old /etc is untouched')
    const root = assemble(s)
    const etc = (name: string) => readFileSync(join(root, 'etc', name), 'utf8')
    assert.equal(etc('text'), 'one\n1\n2\n3\n4\n5\n6\nseven\n')
    assert.equal(
      etc('passwd'),
      `${PASSWD}sshd:x:105:65534::/run/sshd:/bin/false\nalice:x:1000:1000::/home/alice:/bin/sh\n`,
    )
    assert.equal(etc('clash'), 'mine\n')
    assert.equal(etc('arrives'), 'new default\n')
    assert.equal(etc('d/one'), 'one\n')
    assert.equal(etc('mine.d/x'), 'x\n')
    assert.equal(statSync(join(root, 'etc/moded')).mode & 0o777, 0o600)
    assert.ok(!existsSync(join(root, 'etc/vanishes')))
    assert.ok(!existsSync(join(root, 'etc/deleted')))
    assert.equal(
      readFileSync(join(root, 'var/lib/app/state'), 'utf8'),
      'state\n',
    )
    assert.equal(readFileSync(join(root, 'var/lib/new/file'), 'utf8'), 'new\n')
    assert.match(
      readFileSync(join(root, 'var/lib/dpkg/status'), 'utf8'),
      /1\.14-3/,
    )
    release(s)
    assert.match(s.dendro('rollback'), /^The default is test [0-9a-f]{12}\.0$/m)
    assert.deepEqual(versions(s), ['23.31', '23.32'])
    assert.equal(exactly(s.t, s.layer()), before, 'rollback is byte-exact')
    assert.equal(s.try('upgrade').status, 0)
    assert.equal(s.try('upgrade').status, 77)
  },
  'a version is looked for in the history of the ref': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    nextVersion(s)
    s.dendro('deploy', 'os/test')
    s.dendro('deploy', '23.31')
    assert.deepEqual(versions(s), ['23.31', '23.32', '23.31'])
    assert.match(s.dendro('deploy', '23.32'), /Upgraded:/)
    assert.match(s.try('deploy', '99.9').stderr, /unknown revision/)
    // Four deployments, three stay.
    assert.equal(versions(s).length, 3)
    s.dendro('pin', '2')
    s.dendro('deploy', '23.31', '--keep', '1')
    const { deployments } = s.json<Status>('status')
    assert.deepEqual(
      deployments.map(({ pinned }) => pinned),
      [false, false, true],
      'the merged one and the pinned one stay',
    )
    assert.match(s.try('undeploy', '2').stderr, /it is pinned/)
    s.dendro('unpin', '2')
    s.dendro('undeploy', '2')
    s.dendro('undo')
    assert.equal(versions(s).length, 3)
  },
  'conflicts are kept with three versions and settled': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    edit(s)
    nextVersion(s)
    s.dendro('upgrade')
    const [conflict] = s.json<{
      conflicts: { path: string; versions: string }[]
    }>('etc', 'conflicts').conflicts
    assert.equal(conflict?.path, 'clash')
    const version = (side: string) =>
      readFileSync(join(conflict.versions, side), 'utf8')
    assert.deepEqual(['base', 'mine', 'theirs'].map(version), [
      'default\n',
      'mine\n',
      'theirs\n',
    ])
    const editor = s.t.path('editor')
    writeFileSync(
      editor,
      '#!/bin/sh\ngrep -q "^<<<<<<< mine" "$1" && echo edited > "$1"\n',
      { mode: 0o755 },
    )
    const env = { DENDRO_REPO: '', EDITOR: editor }
    const args = ['--sysroot', s.sysroot, 'etc', 'resolve', '/etc/clash']
    s.t.run(DENDRO, [...args, '--edit'], { env })
    assert.equal(readFileSync(join(s.layer(), 'clash'), 'utf8'), 'edited\n')
    assert.equal(s.dendro('etc', 'conflicts'), '')
    assert.match(
      s.try('etc', 'resolve', 'clash', '--mine').stderr,
      /no conflict/,
    )
    s.dendro('undo')
    assert.equal(readFileSync(join(s.layer(), 'clash'), 'utf8'), 'mine\n')
    s.dendro('etc', 'resolve', 'clash', '--theirs')
    assert.ok(
      !existsSync(join(s.layer(), 'clash')),
      'the default shows through',
    )
    s.dendro('undo')
    s.dendro('etc', 'resolve', 'clash', '--mine')
    assert.equal(s.json<Status>('status').deployments[0]?.conflicts.length, 0)
    // The same default again next time: what was settled is no conflict.
    write(s.tree, { 'usr/etc/other': 'x\n' })
    s.dendro('commit', '-b', 'os/test', s.tree)
    assert.doesNotMatch(s.dendro('upgrade'), /conflict \/etc/)
    assert.equal(readFileSync(join(s.layer(), 'clash'), 'utf8'), 'mine\n')
  },
  'an unsettled conflict goes along to the next version': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    edit(s)
    nextVersion(s)
    s.dendro('upgrade')
    write(s.tree, { 'usr/etc/clash': 'theirs again\n' })
    s.dendro('commit', '-b', 'os/test', s.tree)
    s.dendro('upgrade')
    write(s.tree, { 'usr/etc/unrelated': '1\n' })
    s.dendro('commit', '-b', 'os/test', s.tree)
    s.dendro('upgrade')
    const { conflicts } = s.json<{ conflicts: { versions: string }[] }>(
      'etc',
      'conflicts',
    )
    assert.equal(conflicts.length, 1)
    const read = (side: string) =>
      readFileSync(join(conflicts[0]?.versions as string, side), 'utf8')
    assert.deepEqual(['base', 'mine', 'theirs'].map(read), [
      'default\n',
      'mine\n',
      'theirs again\n',
    ])
  },
  'reset, own, log, restore and undo': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    edit(s)
    const before = exactly(s.t, s.layer())
    s.dendro('etc', 'reset', '/etc/clash', 'deleted')
    assert.doesNotMatch(s.dendro('etc', 'diff'), /clash|deleted/)
    s.dendro('etc', 'reset', '--keep', '*.d', '--keep', 'passwd')
    assert.equal(
      s.dendro('etc', 'diff'),
      'A /etc/mine.d\nA /etc/mine.d/x\nM /etc/passwd',
    )
    // One undo after the other goes back step by step.
    s.dendro('undo')
    assert.match(s.dendro('undo'), /took back: etc reset/)
    assert.equal(exactly(s.t, s.layer()), before)
    s.dendro('etc', 'reset')
    assert.equal(s.dendro('etc', 'diff'), '')
    assert.match(s.dendro('etc', 'log'), /^@\{0\} .* etc reset$/m)
    s.dendro('etc', 'restore', 'mine.d@{1}')
    assert.equal(readFileSync(join(s.layer(), 'mine.d/x'), 'utf8'), 'x\n')
    s.dendro('etc', 'own', 'same')
    write(s.tree, { 'usr/etc/same': 'changed default\n' })
    s.dendro('commit', '-b', 'os/test', s.tree)
    s.dendro('upgrade')
    assert.equal(readFileSync(join(s.layer(), 'same'), 'utf8'), 'same\n')
    assert.match(s.dendro('op', 'log'), /^s\d+ .* upgrade|deploy test/m)
  },
  'undo of ref moves; what moved since is left alone': s0 => {
    const s = site(s0)
    const before = s.dendro('rev-parse', 'os/test')
    nextVersion(s)
    const after = s.dendro('rev-parse', 'os/test')
    assert.notEqual(before, after)
    s.dendro('undo')
    assert.equal(s.dendro('rev-parse', 'os/test'), before)
    // An undo can be undone, by its name.
    s.dendro('undo', 'r3')
    assert.equal(s.dendro('rev-parse', 'os/test'), after)
    assert.match(s.try('undo', 'r1').stderr, /has moved since/)
    assert.match(s.try('undo', 'r99').stderr, /no operation/)
  },
  'the overlay of /etc behaves as a file system': s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const etc = join(assemble(s), 'etc')
    s.t.sh(
      `
      cd "$1"
      sed -i s/same/changed/ same && grep -q changed same
      ln same linked && echo more >> linked && grep -q more same
      mv d moved && grep -q 1 moved/one && ! [ -e d ]
      mkdir d && echo fresh > d/three && ! [ -e d/one ]
      cp passwd passwd.new && mv passwd.new passwd
      setfattr -n user.note -v yes text && getfattr -n user.note text > /dev/null
      git init -q repo && cd repo && echo x > x && git add x
      git -c user.name=n -c user.email=e commit -qm m && git fsck --no-progress
      `,
      etc,
    )
    s.t.run('python3', [
      '-c',
      `
import fcntl, mmap, os, sys
os.chdir(sys.argv[1])
fd = os.open('lock', os.O_CREAT | os.O_EXCL | os.O_RDWR)
try: os.open('lock', os.O_CREAT | os.O_EXCL); sys.exit('no O_EXCL')
except FileExistsError: pass
fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
other = os.open('lock', os.O_RDWR)
try: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB); sys.exit('no flock')
except BlockingIOError: pass
fcntl.lockf(fd, fcntl.LOCK_EX)
os.ftruncate(fd, 4096)
m = mmap.mmap(fd, 4096); m[0:4] = b'mmap'; m.flush()
assert os.pread(other, 4, 0) == b'mmap'
os.fsync(fd)
os.rename('lock', 'text')
d = os.open('.', os.O_RDONLY); os.fsync(d)
`,
      etc,
    ])
    // What was moved away and made anew is read from the layer as it looks.
    const diff = s.dendro('etc', 'diff')
    for (const line of ['D /etc/d/one', 'A /etc/d/three', 'A /etc/moved/one'])
      assert.ok(diff.split('\n').includes(line), `${line} in\n${diff}`)
    assert.doesNotMatch(diff, /passwd/, 'an equal copy is no change')
    const before = exactly(s.t, etc)
    // Everything back to the defaults, and back again.
    s.dendro('etc', 'reset')
    assert.equal(s.dendro('etc', 'diff'), '')
    s.dendro('undo')
    assert.equal(exactly(s.t, etc), before)
    s.dendro('etc', 'reset', 'moved', 'd')
    assert.ok(existsSync(join(etc, 'd/two')) && !existsSync(join(etc, 'moved')))
    s.dendro('etc', 'restore', '/etc@{1}')
    assert.equal(exactly(s.t, etc), before)
    nextVersion(s)
    release(s)
    s.dendro('upgrade')
    const now = join(assemble(s), 'etc')
    assert.equal(readFileSync(join(now, 'moved/one'), 'utf8'), '1\n')
    assert.equal(readFileSync(join(now, 'd/three'), 'utf8'), 'fresh\n')
    assert.ok(!existsSync(join(now, 'd/two')))
    release(s)
    s.dendro('rollback')
    assert.equal(exactly(s.t, join(assemble(s), 'etc')), before)
    release(s)
  },
}
