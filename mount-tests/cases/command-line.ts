/** Names on the command line are bytes; a server keeps nothing of its caller. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { DENDRO, waitFor } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { openDevices } from '../devices.ts'

const start = (t: TestContext): void => {
  writeFileSync(`${t.makeDirectory('source')}/file`, 'content\n')
  t.dendro('init')
  t.commit('r', t.path('source'))
  t.makeDirectory('m')
}

/** A script of bash with `dendro` as d and a name that is not UTF-8 as $odd. */
const withOddName = (t: TestContext, script: string): string =>
  t.run('bash', [
    ...['--norc', '-euc'],
    `d() { "$0" "$@"; }; odd=$'caf\\xe9'; ${script}
     find . -name $'*\\xef\\xbf\\xbd*'`,
    DENDRO,
  ])

const proc = (pid: number, file: string): string =>
  readFileSync(`/proc/${pid}/${file}`, 'latin1')

/** What the descriptors of a process are, but for pipes and such. */
const filesOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`)
    .map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`))
    .filter(path => path.startsWith('/'))

/** Nothing of a caller that had everything; `t` is its directory. */
const isItsOwn = (t: TestContext, pid: number): void => {
  for (const path of filesOf(pid))
    assert.match(
      path,
      new RegExp(
        `^/dev/|^/run/dendro/|^/memfd:|^${t.repository}(?:/|$)|^/(proc|sys)/`,
      ),
    )
  assert.doesNotMatch(proc(pid, 'environ'), /SECRET|NODE_OPTIONS|LD_|HOME/)
  assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/')
  const status = proc(pid, 'status')
  assert.match(status, /^Umask:\t0022$/m)
  assert.match(status, /^SigBlk:\t0{16}$/m)
  // Behind the name: state, parent, group, session, terminal, ..., nice.
  const fields = proc(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ')
  assert.notEqual(fields[3], proc(process.pid, 'stat').split(' ')[5])
  assert.equal(fields[4], '0')
  assert.equal(fields[16], '0')
  const limits = proc(pid, 'limits')
  for (const limit of ['cpu time', 'file size'])
    assert.match(limits, new RegExp(`^Max ${limit} +unlimited`, 'm'))
}

export const tests: TestTable = {
  '"mount stats DIR" and "mount reload DIR" are options, unless a ref has that name':
    t => {
      start(t)
      const at = t.path('m')
      t.mount('r', at)
      for (const words of [
        ['--stats', at],
        ['stats', at],
      ])
        assert.match(t.dendro('mount', ...words), /^nodes \d+/m)
      for (const words of [
        ['--reload', at],
        ['reload', at],
      ])
        assert.match(t.dendro('mount', ...words), /^served by \d+$/m)
      const json = t.dendro('mount', `--stats=${at}`, '--json')
      assert.ok('nodes' in (JSON.parse(json) as object))
      t.dendro('tag', 'stats', 'r')
      t.commit('reload', t.path('source'))
      for (const name of ['stats', 'reload']) {
        const other = t.makeDirectory(name)
        t.dendro('mount', name, other)
        assert.deepEqual(readdirSync(other), ['file'])
        assert.match(t.dendro('mount', '--stats', other), /^nodes \d+/m)
        t.dendro('umount', other)
      }
    },
  'an umount does not count itself among the users': t => {
    start(t)
    t.mount('r', t.path('m'))
    const { status, stderr } = t.try('sh', [
      ...['-c', 'cd "$1" && "$2" umount . ; exit $?', 'sh'],
      ...[t.path('m'), DENDRO],
    ])
    assert.equal(status, 1)
    assert.match(stderr, /in use by sh \(pid \d+, cwd\) \(end them/)
  },
  'mounts of, at and below names that are not UTF-8': t => {
    const said = withOddName(
      t,
      `mkdir "in$odd" "in$odd/sub$odd" "m$odd" m; echo content >"in$odd/sub$odd/$odd"
       export DENDRO_REPO="$PWD/repo$odd"
       d init >/dev/null; d commit -b "r$odd" "in$odd" >/dev/null
       d mount "r$odd" "m$odd"; cat "m$odd/sub$odd/$odd"
       findmnt -no FSTYPE "m$odd"
       d mount stats "m$odd" | grep -c ^nodes; d mount reload "m$odd" | grep -c served
       d mount --subdir "sub$odd" "r$odd" m; cat "m/$odd"
       (cd "m$odd/sub$odd"; d umount "../../m$odd" || echo "$?") 2>/dev/null
       d umount "m$odd"; d umount m
       (cd "m$odd"; d mount "r$odd" "$PWD/../m"); cat "m/sub$odd/$odd"; d umount m
       d mount "m$odd"; cat "m$odd/refs/r$odd/sub$odd/$odd"; umount "m$odd"
       d mount --foreground "r$odd" "m$odd" & 
       while ! grep -qs . "m$odd/sub$odd/$odd"; do sleep 0.05; done; d umount "m$odd"; wait`,
    )
    assert.deepEqual(said.split('\n'), [
      ...['content', 'fuse.dendro', '1', '1', 'content', '1'],
      ...['content', 'content', ''],
    ])
  },
  'mounts of an ordinary user, with such names': t => {
    openDevices(t)
    const said = withOddName(
      t,
      `chmod 0777 .; export XDG_RUNTIME_DIR="$PWD/run$odd" DENDRO_REPO="$PWD/repo$odd"
       u() { setpriv --reuid 1000 --regid 1000 --clear-groups "$@"; }
       u mkdir "in$odd" "m$odd" "run$odd"; echo content | u tee "in$odd/$odd" >/dev/null
       u "$0" init >/dev/null; u "$0" commit -b r "in$odd" >/dev/null
       u "$0" mount r "m$odd"; u cat "m$odd/$odd"; ls "run$odd"
       server=$(u "$0" mount stats --json "m$odd" | sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p')
       kill -9 "$server"; u cat "m$odd/$odd"; u "$0" umount "m$odd"`,
    )
    assert.deepEqual(said.split('\n'), ['content', 'dendro', 'content', ''])
  },
  'a command gets the bytes of its arguments, a deployment lies where it is said':
    t => {
      const said = withOddName(
        t,
        `mkdir -p tree/usr/bin tree/usr/etc "root$odd"; cp "$(command -v busybox)" tree/usr/bin/busybox
         ln -s usr/bin tree/bin; ln -s busybox tree/usr/bin/printf
         ln -s busybox tree/usr/bin/sh; echo default >"tree/usr/etc/$odd"
         d init >/dev/null; d commit -b os tree >/dev/null
         d run os -- printf '%s|' "$odd" "new\\n" '' | od -An -c | tr -d ' '
         export DENDRO_REPO=; s() { d --sysroot "root$odd" "$@"; }
         d init "root$odd/dendro/repo" >/dev/null
         d --repo "root$odd/dendro/repo" commit -b os tree >/dev/null
         s deploy os >/dev/null
         s run -- sh -c 'echo mine >"/etc/$1"' sh "$odd"
         s etc diff; s etc own "/etc/$odd"; s etc reset "/etc/$odd"; s etc diff
         s etc restore "$odd@{1}"; s etc diff`,
      )
      assert.deepEqual(said.split('\n'), [
        String.raw`caf351|new\n||`,
        String.raw`M /etc/$'caf\351'`,
        String.raw`owned /etc/$'caf\351'`,
        String.raw`reset /etc/$'caf\351'`,
        String.raw`restored /etc/$'caf\351'`,
        String.raw`M /etc/$'caf\351'`,
        '',
      ])
    },
  'a server and its successor keep nothing of their caller': async t => {
    start(t)
    t.sh(
      `mkdir usb; mount -t tmpfs usb usb; mkdir usb/in
       export SECRET=1 NODE_OPTIONS=--no-warnings LD_DEBUG_OUTPUT=/x
       cd usb/in; umask 077; ulimit -S -t 100; ulimit -S -f 1000; trap '' HUP TERM
       exec 7>"$1/lock" 8>../log; flock 7
       nice -n 10 bash --norc -c 'exec 200>../log2; "$0" mount r "$1/m"' "$2" "$1"
       exec 7>&- 8>&-`,
      t.directory,
      DENDRO,
    )
    t.sh('flock -n "$1/lock" true; umount "$1/usb"', t.directory)
    const first = t.processes(t.path('m'))
    for (const pid of [first.pid, first.keeperPid]) isItsOwn(t, pid)
    process.kill(first.pid, 'SIGKILL')
    t.run('cat', [t.path('m/file')])
    await waitFor('a successor', () => t.serverState().pid !== first.pid)
    isItsOwn(t, t.processes(t.path('m')).pid)
  },
  'mounts with closed standard descriptors': t => {
    start(t)
    for (const closed of ['<&-', '>&-', '2>&-', '<&- >&- 2>&-']) {
      t.sh(`"$1" mount r m ${closed}`, DENDRO)
      const { pid, keeperPid } = t.processes(t.path('m'))
      for (const process of [pid, keeperPid])
        for (const fd of ['0', '1', '2'])
          assert.match(
            readlinkSync(`/proc/${process}/fd/${fd}`),
            /^\/dev\/null$|\/server\.log$/,
          )
      assert.equal(t.run('cat', [t.path('m/file')]), 'content\n')
      t.dendro('umount', t.path('m'))
    }
    const { status, stderr } = t.try('sh', ['-c', '"$0" refs >&-', DENDRO])
    assert.equal(status, 1)
    assert.match(stderr, /^dendro: cannot write to standard output: [^\n]+\n$/)
  },
  'a working directory that is gone': t => {
    start(t)
    const { status, stderr } = t.try('bash', [
      ...['--norc', '-c', 'mkdir x; cd x; rmdir ../x; "$0" commit -b r .'],
      DENDRO,
    ])
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^dendro: the working directory was removed \([^\n]+\)$/m,
    )
    assert.doesNotMatch(stderr, /^ +at /m)
  },
  'a system without /proc says so': t => {
    start(t)
    const { status, stderr } = t.try('unshare', [
      ...['-m', 'sh', '-c', 'umount -l /proc; "$0" refs'],
      DENDRO,
    ])
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^dendro: there is no \/proc, [^\n]+\(mount it: [^\n]+\)\n$/,
    )
  },
}
