/** What goes in comes out: by rsync, tar, cp, checkout and every kind of entry. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import type { TestContext, TestTable } from '../context.ts'
import { makeOddTree, noise } from '../odd-tree.ts'

const mountOdd = (t: TestContext): { source: string; mounted: string } => {
  const source = t.path('source')
  makeOddTree(source)
  t.dendro('init')
  t.commit('odd', source)
  const mounted = t.mount('odd', t.path('mnt'))
  return { source, mounted }
}

/** rsync tells every difference in content, metadata, xattrs, ACLs and links. */
const assertSame = (t: TestContext, a: string, b: string): void => {
  const told = t.run(
    'rsync',
    ['-naHAX', '--delete', '--checksum', '--itemize-changes', `${a}/`, `${b}/`],
    { encoding: 'latin1' },
  )
  assert.equal(told, '')
}

export const tests: TestTable = {
  'rsync finds no difference between source and mount': t => {
    const { source, mounted } = mountOdd(t)
    assertSame(t, source, mounted)
    assertSame(t, mounted, source)
  },
  'tar of the mount, unpacked, equals the source': t => {
    const { source, mounted } = mountOdd(t)
    const copy = t.makeDirectory('copy')
    t.sh(
      'tar --xattrs --xattrs-include="*" --acls -C "$1" -cf - . | tar --xattrs --xattrs-include="*" --acls -C "$2" -xpf -',
      mounted,
      copy,
    )
    // tar cannot store sockets; all else must be there.
    t.sh('rm "$1/socket"; touch -d @1600000000.000000007 "$1"', source)
    assertSame(t, source, copy)
  },
  'cp -a of the mount equals the source, two equal empty directories included':
    t => {
      const { source, mounted } = mountOdd(t)
      t.run('cp', ['-a', `${mounted}/`, t.path('copy')])
      assertSame(t, source, t.path('copy'))
    },
  'checkout equals the source': t => {
    const { source } = mountOdd(t)
    t.dendro('checkout', 'odd', t.path('out'))
    assertSame(t, source, t.path('out'))
    const blocks = Number(t.run('stat', ['-c', '%b', t.path('out/sparse')]))
    assert.ok(blocks < 100, `sparse file has ${blocks} blocks`)
  },
  'a copy of a checkout has the same commit id': t => {
    const { source } = mountOdd(t)
    t.dendro('checkout', 'odd', t.path('out'))
    const options = ['--timestamp', '1700000000', '--mtime=clamp=1650000000']
    const a = t.commit('a', source, ...options)
    const b = t.commit('b', t.path('out'), ...options)
    assert.equal(a, b)
  },
  'ls and cat tell what the source has': t => {
    mountOdd(t)
    const listed = JSON.parse(t.dendro('ls', 'odd', '-R', '--json')) as {
      path: string
      pathHex?: string
      kind: string
    }[]
    assert.ok(listed.some(entry => entry.pathHex === 'fffe80'))
    assert.deepEqual(
      listed.filter(e => e.kind === 'char').map(e => e.path),
      ['null'],
    )
    assert.equal(t.dendro('cat', 'odd', 'small'), 'small')
    assert.match(t.dendro('ls', 'odd', '-l'), /-rwsr-sr-x.*setuid/)
  },
  'checkout shares equal contents where the file system can': t => {
    const source = t.makeDirectory('source')
    writeFileSync(`${source}/a`, noise(20_000_000, 9))
    t.sh('cp -p "$1/a" "$1/b"; cp -p "$1/a" "$1/c"', source)
    t.dendro('init')
    t.commit('r', source)
    const disk = t.makeDirectory('disk')
    t.sh(
      'truncate -s 400M "$1"; mkfs.btrfs -q "$1" > /dev/null; mount -o loop "$1" "$2"',
      t.path('image'),
      disk,
    )
    t.dendro('checkout', 'r', `${disk}/out`)
    assertSame(t, source, `${disk}/out`)
    t.run('sync', ['-f', disk])
    const total = t.run('btrfs', [
      'filesystem',
      'du',
      '-s',
      '--raw',
      `${disk}/out`,
    ])
    const [logical, exclusive, shared] = (
      total.trim().split('\n').at(-1) as string
    )
      .trim()
      .split(/\s+/)
      .map(Number)
    assert.deepEqual([exclusive, (shared as number) * 3], [0, logical])
    t.run('umount', [disk])
  },
  'a directory whose tree is larger than the server keeps': t => {
    const source = t.makeDirectory('wide')
    t.sh('cd "$1" && seq 1 150000 | xargs touch && echo x > 77777', source)
    t.dendro('init')
    t.commit('wide', source)
    const mounted = t.mount('wide', t.path('mnt'))
    assert.equal(t.sh('ls "$1" | wc -l', mounted).trim(), '150000')
    t.sh('echo 2 > /proc/sys/vm/drop_caches')
    assert.equal(t.sh('cat "$1/77777"; test ! -e "$1/absent"', mounted), 'x\n')
    assert.equal(t.sh('find "$1" -type f | wc -l', mounted).trim(), '150000')
  },
  '--subdir mounts part of a commit': t => {
    const { source } = mountOdd(t)
    const mounted = t.mount('odd', '--subdir', 'dir', t.path('part'))
    assertSame(t, `${source}/dir`, mounted)
  },
  'every way of writing fails with EROFS, also for root': t => {
    const { mounted } = mountOdd(t)
    const attempts = [
      'touch "$1/new"',
      'rm "$1/small"',
      'chmod 600 "$1/small"',
      'mkdir "$1/d"',
      'mv "$1/small" "$1/s"',
      'ln "$1/small" "$1/l"',
      'truncate -s 0 "$1/small"',
      'setfattr -n user.x -v y "$1/small"',
      'mknod "$1/n" p',
      'rmdir "$1/empty-a"',
      'chown 1 "$1/small"',
      'echo x >> "$1/small"',
    ]
    for (const attempt of attempts) {
      const result = t.try('sh', ['-c', attempt, 'sh', mounted])
      assert.notEqual(result.status, 0, attempt)
      assert.match(result.stderr, /Read-only file system/, attempt)
    }
  },
  'setuid files and devices are inert unless asked for': t => {
    mountOdd(t)
    const options = (path: string) => t.run('findmnt', ['-no', 'OPTIONS', path])
    assert.match(options(t.path('mnt')), /nosuid,nodev/)
    t.mount('-o', 'suid,dev', 'odd', t.path('full'))
    assert.doesNotMatch(options(t.path('full')), /nosuid|nodev/)
    t.sh('test -c "$1/null"; echo x > "$1/null"', t.path('full'))
  },
}
