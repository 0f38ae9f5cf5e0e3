/** Two real Debian releases, one deployed over the other. */

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mergeContent } from '../../src/etc/merge-content.ts'
import { DENDRO, TestContext } from '../context.ts'
import type { TestTable } from '../context.ts'

const FIXTURES = process.env['DENDRO_FIXTURES'] ?? '/var/tmp/dendro-fixtures'
const PAIR = join(FIXTURES, 'pair')
const MAKE_PAIR = new URL(
  '../../../scripts/testing/make-release-pair',
  import.meta.url,
).pathname

let shared: TestContext | undefined

/** A sysroot beside the trees (no tmpfs: it is large), with both committed. */
const sysroot = (t: TestContext): string => {
  if (shared === undefined) {
    t.run(MAKE_PAIR, [PAIR])
    const made = new TestContext(mkdtempSync(join(FIXTURES, 'sysroot-')))
    process.on('exit', () =>
      rmSync(made.directory, { recursive: true, force: true }),
    )
    const env = { DENDRO_REPO: '' }
    const dendro = (...args: string[]) =>
      made.run(DENDRO, ['--sysroot', made.directory, ...args], { env })
    dendro('init')
    dendro('commit', '-b', 'debian', '--version', '12', join(PAIR, 'old'))
    dendro('deploy', 'debian')
    shared = made
  }
  return shared.directory
}

const dendroOf = (t: TestContext) => {
  const root = sysroot(t)
  return (...args: string[]): string =>
    t
      .run(DENDRO, ['--sysroot', root, ...args], { env: { DENDRO_REPO: '' } })
      .trimEnd()
}

/** An assembled root, with what a chroot needs. */
const assemble = (t: TestContext): string => {
  const root = t.path('root')
  dendroOf(t)('root', 'assemble', root)
  t.sh(
    'mount -t proc proc "$1/proc"; mount -t tmpfs tmpfs "$1/run"; mount -t tmpfs tmpfs "$1/tmp"; mount --bind /dev "$1/dev"; mkdir "$1/run/sshd"',
    root,
  )
  return root
}

const release = (t: TestContext): void => {
  dendroOf(t)('root', 'release', t.path('root'))
}

/** The system's own programs, run from the assembled root. */
const check = (t: TestContext, root: string): void => {
  assert.equal(t.run('chroot', [root, 'dpkg', '--audit']), '')
  assert.match(
    t.run('chroot', [root, 'systemctl', '--root=/', 'list-unit-files']),
    /ssh\.service +enabled/,
  )
  t.run('chroot', [root, 'sshd', '-t'])
  t.run('chroot', [root, 'visudo', '-c', '-q'])
  t.run('chroot', [root, 'pwck', '-r', '-q'])
  t.run('chroot', [root, 'grpck', '-r'])
}

export const tests: TestTable = {
  'an administrator sets up Debian 12, and upgrades to 13': t => {
    const dendro = dendroOf(t)
    let root = assemble(t)
    check(t, root)
    const sh = (script: string) => t.run('chroot', [root, 'sh', '-euc', script])
    sh(`
      useradd --uid 1500 alice && usermod -aG sudo,adm alice && echo alice:secret | chpasswd
      groupadd --gid 2000 staff2
      echo 'set -o vi' >> /etc/bash.bashrc
      sed -i 's/^#MaxAuthTries.*/MaxAuthTries 3/' /etc/ssh/sshd_config
      sed -i 's/^#*SystemMaxUse=.*/SystemMaxUse=100M/' /etc/systemd/journald.conf
      echo 'example' > /etc/hostname
      rm /etc/ssh/ssh_config.d/* 2>/dev/null || true
      rm /etc/issue.net
      chmod 600 /etc/sudo.conf
      mkdir /etc/site && echo 1 > /etc/site/conf
      systemctl --root=/ disable ssh.service && systemctl --root=/ enable ssh.service
      systemctl --root=/ mask getty@tty1.service
      echo '/dev/vdb /data ext4 defaults 0 2' >> /etc/fstab
    `)
    check(t, root)
    const list = () =>
      t.sh(
        'cd "$1/etc" && find . -printf "%p %y %m %U:%G %l\\n" | sort && find . -type f | sort | xargs sha256sum',
        root,
      )
    const before = list()
    release(t)
    dendro('commit', '-b', 'debian', '--version', '13', join(PAIR, 'new'))
    const planned = JSON.parse(
      dendro('--json', 'etc', 'merge', '--dry-run', 'debian'),
    ) as { etc: unknown }
    const done = JSON.parse(dendro('--json', 'upgrade')) as {
      etc: unknown
      conflicts: { path: string; why: string }[]
      packages: { name: string; kind: string }[]
    }
    assert.deepEqual(done.etc, planned.etc)
    console.log(
      `# conflicts: ${done.conflicts.map(({ path, why }) => `${path} (${why})`).join(', ') || 'none'}`,
    )
    assert.ok(
      done.packages.some(p => p.name === 'systemd' && p.kind === 'upgraded'),
    )
    root = assemble(t)
    check(t, root)
    const read = (name: string) => readFileSync(join(root, 'etc', name), 'utf8')
    assert.match(read('debian_version'), /^13|^trixie/)
    assert.match(read('passwd'), /^alice:x:1500:/m)
    assert.match(read('shadow'), /^alice:\$y\$/m)
    assert.match(read('group'), /^sudo:x:27:alice$/m)
    assert.match(read('group'), /^staff2:x:2000:$/m)
    assert.match(read('bash.bashrc'), /^set -o vi$/m)
    assert.match(read('hostname'), /^example$/m)
    assert.match(read('fstab'), /\/data ext4/)
    assert.equal(read('site/conf'), '1\n')
    assert.match(read('systemd/journald.conf'), /^SystemMaxUse=100M$/m)
    assert.ok(!existsSync(join(root, 'etc/issue.net')))
    assert.ok(
      !existsSync(join(root, 'etc/sysctl.conf')),
      'vanished defaults go',
    )
    assert.ok(existsSync(join(root, 'etc/security/pwhistory.conf')))
    assert.match(
      t.run('chroot', [root, 'stat', '-c', '%a', '/etc/sudo.conf']),
      /600/,
    )
    assert.match(
      sh('systemctl --root=/ is-enabled getty@tty1.service || true'),
      /^masked$/m,
    )
    // Both sides changed it: merged, or mine in force beside theirs.
    const isParked = done.conflicts.some(
      ({ path }) => path === 'ssh/sshd_config',
    )
    assert.match(read('ssh/sshd_config'), /^MaxAuthTries 3$/m)
    console.log(`# sshd_config: ${isParked ? 'parked' : 'merged'}`)
    release(t)
    dendro('rollback')
    root = assemble(t)
    assert.equal(list(), before, 'the old /etc is back to the byte')
    check(t, root)
    release(t)
  },
  'each driver on the real files of both releases': t => {
    sysroot(t)
    const read = (side: string, name: string) =>
      readFileSync(join(PAIR, side, 'etc', name), 'latin1')
    const added: Record<string, string> = {
      passwd: 'alice:x:1500:1500::/home/alice:/bin/bash\n',
      group: 'alice:x:1500:\n',
      shadow: 'alice:!:19000:0:99999:7:::\n',
      gshadow: 'alice:!::\n',
      subuid: 'alice:100000:65536\n',
      subgid: 'alice:100000:65536\n',
      hosts: '10.0.0.5 nas\n',
      fstab: '/dev/vdb /data ext4 defaults 0 2\n',
      services: 'mine 4000/tcp\n',
      'bash.bashrc': 'set -o vi\n',
      'systemd/logind.conf': 'KillUserProcesses=yes\n',
      'ssh/sshd_config': 'Match User alice\n',
      'adduser.conf': 'DIR_MODE=0700\n',
    }
    for (const [name, line] of Object.entries(added)) {
      if (
        !existsSync(join(PAIR, 'old/etc', name)) ||
        !existsSync(join(PAIR, 'new/etc', name))
      )
        continue
      const [base, theirs] = [read('old', name), read('new', name)]
      const mine =
        base + (base === '' || base.endsWith('\n') ? '' : '\n') + line
      const result = mergeContent(name, base, mine, theirs)
      assert.ok('text' in result, `${name}: ${JSON.stringify(result)}`)
      const lines = new Set(result.text.split('\n'))
      assert.ok(lines.has(line.trimEnd()), name)
      for (const wanted of theirs.split('\n'))
        assert.ok(
          lines.has(wanted) || /^\s*(#|$)/.test(wanted),
          `${name}: ${wanted}`,
        )
    }
  },
  'systemd-nspawn runs the assembled root': t => {
    if (!existsSync('/usr/bin/systemd-nspawn'))
      assert.fail('systemd-nspawn is missing: run scripts/prepare --tools')
    const root = t.path('root')
    dendroOf(t)('root', 'assemble', root)
    const out = t.run('systemd-nspawn', [
      '--quiet',
      '--register=no',
      '--keep-unit',
      '--resolv-conf=off',
      '--timezone=off',
      '--link-journal=no',
      '--pipe',
      '-D',
      root,
      'sh',
      '-c',
      'cat /etc/debian_version && dpkg --audit && systemctl --root=/ is-enabled ssh.service',
    ])
    assert.match(out, /^12.*\nenabled$/m)
    release(t)
  },
}
