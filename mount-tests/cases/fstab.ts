/** Mounts as mount(8), fstab(5) and systemd make them, by the helper. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DENDRO } from '../context.ts'
import { addStep, bootContainer } from '../container.ts'
import { deploymentsOf, machineStore } from '../machine-store.ts'
import type { CommandResult, TestContext, TestTable } from '../context.ts'

const HELPER = join(dirname(DENDRO), 'shipped/mount.dendro')

/** Runs `script` with the helper where mount(8) looks; $1 is the test's directory. */
const withHelper = (t: TestContext, script: string): CommandResult => {
  const directory = t.makeDirectory('sbin')
  return t.try('unshare', [
    ...['--mount', '--propagation', 'private', 'bash', '--norc', '-uc'],
    `cp -a /usr/sbin/mount.* "$1/sbin" 2>/dev/null
     ln -s "$2" "$1/sbin/mount.dendro"
     ln -s "$2" "$1/sbin/mount.fuse.dendro"
     cp "$(command -v umount)" "$(command -v mount)" "$1/sbin"
     mount --bind "$1/sbin" /usr/sbin
     mount -t tmpfs tmpfs /run
     cd "$1"
     ${script}
     for m in m "all of it"; do
       "$(dirname "$2")/../dendro" umount --lazy "$m" 2>/dev/null
     done`,
    ...['bash', t.directory, HELPER, directory],
  ])
}

const start = (t: TestContext): string => {
  const source = t.makeDirectory('source/sub')
  writeFileSync(join(source, 'file'), 'below\n')
  writeFileSync(t.path('source/file'), 'content\n')
  t.dendro('init')
  t.makeDirectory('m')
  return t.commit('r/x', t.path('source'))
}

const UNDER_SYSTEMD = [
  'systemctl is-active local-fs.target var-whole.mount var-auto.automount',
  'cat /var/whole/refs/machine/usr/lib/os-release | grep -c ^ID=',
  'systemctl is-active var-auto.mount',
  'cat /var/auto/os-release | grep -c ^ID=',
  'systemctl is-active var-auto.mount',
  'systemctl stop var-whole.mount',
  'cat /var/auto/os-release | grep -c ^ID=',
  'systemctl start var-whole.mount; ls /var/whole',
  'systemctl --failed --no-legend --plain',
].join('; ')

export const tests: TestTable = {
  'mount -t dendro, with and without a revision': t => {
    const id = start(t)
    const { stdout, stderr } = withHelper(
      t,
      `mount -t dendro "$1/repo#r/x" m; echo $?; cat m/file
       findmnt -no SOURCE,FSTYPE m; findmnt -no VFS-OPTIONS m; umount m; echo $?
       mount -t dendro -o ro,suid,noexec,subdir=sub repo#r/x m; echo $?; cat m/file
       findmnt -no VFS-OPTIONS m; umount m
       mount -t dendro repo m; ls m; umount m
       mount -f -t dendro repo m; ls m
       cp -a repo 'odd #r'; mount -t dendro 'odd #r#r/x' m; cat m/file; umount m`,
    )
    assert.deepEqual(stdout.split('\n'), [
      ...['0', 'content'],
      `${t.repository}[/commits/${id}] fuse.dendro`,
      ...['ro,nosuid,nodev,relatime', '0'],
      ...['0', 'below', 'ro,nosuid,nodev,noexec,relatime'],
      ...['by-version', 'commits', 'refs', 'tags'],
      ...['content', ''],
    ])
    assert.equal(stderr, '')
  },
  'what mount(8) is told when it fails': t => {
    start(t)
    const { stdout, stderr } = withHelper(
      t,
      `for what in "-o bogus repo#r/x" "repo#none" "nowhere#r/x" "-o rw,subdir=file repo#r/x"; do
         mount -t dendro $what m; echo $?
       done
       mount -s -t dendro -o bogus repo#r/x m; echo $?`,
    )
    assert.equal(stdout, '32\n32\n32\n32\n0\n')
    const lines = stderr.trimEnd().split('\n')
    assert.equal(lines.length, 4, stderr)
    assert.match(lines[0] ?? '', /^dendro: bad mount option bogus: /)
    assert.match(lines[1] ?? '', /^dendro: unknown revision none: /)
    assert.match(lines[2] ?? '', /^dendro: no repository in .*nowhere/)
    assert.match(
      lines[3] ?? '',
      /^dendro: cannot mount file: .*not a directory/,
    )
  },
  'a line of fstab, twice and after the ref moved': t => {
    start(t)
    writeFileSync(
      t.path('fstab'),
      `${t.repository}#r/x ${t.directory}/m dendro nofail,noatime,_netdev,x-systemd.automount,subdir=sub 0 0\n` +
        `${t.repository} ${t.directory}/all\\040of\\040it dendro defaults 0 0\n`,
    )
    t.makeDirectory('all of it')
    const { stdout, stderr } = withHelper(
      t,
      `mount -a -T fstab; echo $?; cat m/file; ls 'all of it'
       mount -a -T fstab; echo $?; findmnt -rno TARGET -t fuse.dendro | grep -c "^$1/"
       echo changed >source/sub/file; "$(dirname "$2")/../dendro" commit -b r/x source >id
       mount -a -T fstab; echo $?; umount m; mount -T fstab m; cat m/file`,
    )
    assert.deepEqual(stdout.split('\n'), [
      ...['0', 'below', 'by-version', 'commits', 'refs', 'tags'],
      ...['0', '2', '0', 'changed', ''],
    ])
    assert.match(stderr, /^dendro: another commit is mounted at [^\n]+\n$/)
  },
  'remount changes what the mount has, and says what it cannot': t => {
    start(t)
    const { stdout, stderr } = withHelper(
      t,
      `mount -t dendro repo#r/x m
       flags() { echo "$?" $(findmnt -no VFS-OPTIONS m); }
       mount -o remount,suid,noexec m; flags
       mount -o remount,exec,nosuid m; flags
       mount -o remount,ahead=off m; flags
       mount -o remount,rw m; flags
       echo "$1/repo#r/x $1/m dendro defaults 0 0" >fstab
       mount -T fstab -o remount,noexec m; flags
       mount -o remount,bind,exec m; flags`,
    )
    assert.deepEqual(stdout.split('\n'), [
      '0 ro,nodev,noexec,relatime',
      '0 ro,nosuid,nodev,relatime',
      '32 ro,nosuid,nodev,relatime',
      '32 ro,nosuid,nodev,relatime',
      '0 ro,nosuid,nodev,noexec,relatime',
      '0 ro,nosuid,nodev,relatime',
      '',
    ])
    const lines = stderr.trimEnd().split('\n')
    assert.equal(lines.length, 2, stderr)
    assert.match(lines[0] ?? '', /^dendro: cannot remount .*: ahead is told/)
    assert.match(lines[1] ?? '', /^dendro: .*commits are immutable/)
  },
  'systemd mounts by fstab at its start, on access, and again': t => {
    const { repository } = machineStore(t)
    const sysroot = t.makeDirectory('sysroot')
    t.run(DENDRO, ['--sysroot', sysroot, 'deploy', 'machine'], {
      env: { DENDRO_REPO: repository },
    })
    const [name] = deploymentsOf(t, sysroot, repository)
    const layer = t
      .sh('ls -d "$1"/dendro/deploy/*/*/etc/upper', sysroot)
      .trimEnd()
    assert.ok(name !== undefined && layer !== '')
    addStep(layer, UNDER_SYSTEMD)
    writeFileSync(
      join(layer, 'fstab'),
      '/var/repo /var/whole dendro defaults 0 0\n' +
        '/var/repo#machine /var/auto dendro noauto,x-systemd.automount,subdir=usr/lib 0 0\n',
    )
    const out = bootContainer(
      t,
      sysroot,
      repository,
      `--bind=${repository}:/var/repo`,
      '--bind=/dev/fuse',
      '--bind=/dev/autofs',
    )
    assert.deepEqual(out.trimEnd().split('\n'), [
      ...['active', 'active', 'active', '1'],
      ...['inactive', '1', 'active'],
      '1',
      ...['by-version', 'commits', 'refs', 'tags'],
      'end',
    ])
  },
}
