/** What a commit reads from: images, mounts, subvolumes, trees beyond a limit. */

import assert from 'node:assert/strict'
import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { readMountTable } from '../../src/system/mount-table.ts'
import { writeXattr } from '../../src/system/xattr.ts'
import { DENDRO } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'

const PAST_YEARS = '1600000000'

interface Committed {
  readonly filesRead: number
}

const commit = (t: TestContext, ref: string, source: string): Committed =>
  JSON.parse(t.dendro('--json', 'commit', '-b', ref, source)) as Committed

/** Calls `work` with a loop device that has a file behind it. */
const withDisk = (
  t: TestContext,
  size: number,
  work: (device: string) => void,
): void => {
  const file = t.path('disk')
  writeFileSync(file, '')
  truncateSync(file, size)
  const device = t.run('losetup', ['--find', '--show', file]).trim()
  try {
    work(device)
  } finally {
    unmountAll(t)
    t.run('losetup', ['--detach', device])
  }
}

/** Writes an image to a device. */
const writeImage = (t: TestContext, image: string, device: string): void =>
  void t.run('dd', [`if=${image}`, `of=${device}`, 'conv=fsync', 'bs=1M'])

/** All that the stat cache could know a file by. */
const numbers = (path: string): bigint[] => {
  const s = statSync(path, { bigint: true })
  return [s.dev, s.ino, s.size, s.mtimeNs, s.ctimeNs]
}

/** Unmounts what the test mounted, the last first. */
const unmountAll = (t: TestContext): void => {
  for (const { mountpoint } of readMountTable().reverse())
    if (mountpoint.startsWith(`${t.directory}/`)) t.run('umount', [mountpoint])
}

/**
 * Commits what `show` mounts at `image` for each version, and asserts that each
 * commit has its own content, though no number tells the versions apart.
 */
const commitInTurn = (
  t: TestContext,
  source: string,
  show: (version: string) => void,
): void => {
  const seen: bigint[][] = []
  for (const version of ['1', '2']) {
    show(version)
    seen.push(numbers(`${source}/etc/release`))
    commit(t, 'os', source)
    assert.equal(t.dendro('cat', 'os', 'etc/release'), `version=${version}`)
    unmountAll(t)
  }
  assert.deepEqual(seen[0], seen[1], 'the test is only right if all is equal')
  assert.match(t.dendro('diff', 'os~1', 'os'), /etc\/release/)
}

/** Two images of squashfs, made reproducibly, that differ in content alone. */
const makeImages = (t: TestContext): void => {
  t.dendro('init')
  mkdirSync(t.path('tree/etc'), { recursive: true })
  for (const version of ['1', '2']) {
    writeFileSync(t.path('tree/etc/release'), `version=${version}`)
    const options = ['-all-time', PAST_YEARS, '-mkfs-time', PAST_YEARS]
    const quiet = ['-noappend', '-quiet', '-no-progress']
    t.run('mksquashfs', [t.path('tree'), t.path(version), ...options, ...quiet])
  }
  t.makeDirectory('image')
}

export const tests: TestTable = {
  'images that are mounted in turn are read anew': t => {
    makeImages(t)
    withDisk(t, 1 << 22, device =>
      commitInTurn(t, t.path('image'), version => {
        writeImage(t, t.path(version), device)
        t.run('mount', ['-t', 'squashfs', '-o', 'ro', device, t.path('image')])
      }),
    )
  },
  'and so are overlays over them': t => {
    makeImages(t)
    const merged = t.makeDirectory('merged')
    mkdirSync(t.path('layer/upper'), { recursive: true })
    mkdirSync(t.path('layer/work'))
    withDisk(t, 1 << 22, device =>
      commitInTurn(t, merged, version => {
        writeImage(t, t.path(version), device)
        t.run('mount', ['-t', 'squashfs', '-o', 'ro', device, t.path('image')])
        const options = `lowerdir=${t.path('image')},upperdir=${t.path('layer/upper')},workdir=${t.path('layer/work')}`
        t.run('mount', ['-t', 'overlay', '-o', options, 'overlay', merged])
      }),
    )
  },
  'a disk that was written to while it was not mounted is read anew': t => {
    t.dendro('init')
    const image = t.makeDirectory('image')
    withDisk(t, 1 << 24, device => {
      t.run('mkfs.ext4', ['-q', device])
      t.run('mount', [device, image])
      mkdirSync(`${image}/etc`)
      writeFileSync(`${image}/etc/release`, 'version=1\n')
      t.run('umount', [image])
      t.run('dd', [`if=${device}`, `of=${t.path('1')}`, 'bs=1M'])
      t.sh('sed s/version=1/version=2/ "$1" >"$2"', t.path('1'), t.path('2'))
      commitInTurn(t, image, version => {
        writeImage(t, t.path(version), device)
        t.run('mount', [device, image])
      })
    })
  },
  'while a disk stays mounted, what did not change is not read': t => {
    t.dendro('init')
    const image = t.makeDirectory('image')
    withDisk(t, 1 << 24, device => {
      t.run('mkfs.ext4', ['-q', device])
      t.run('mount', [device, image])
      writeFileSync(`${image}/file`, 'content')
      t.sh('sleep 0.1')
      assert.equal(commit(t, 'r', image).filesRead, 1)
      assert.equal(commit(t, 'r', image).filesRead, 0)
      // From another mount namespace it is the same file system.
      t.run('unshare', ['-m', DENDRO, 'commit', '-b', 'r', image])
      assert.equal(commit(t, 'r', image).filesRead, 0)
      t.run('umount', [image])
      t.run('mount', [device, image])
      assert.equal(commit(t, 'r', image).filesRead, 1)
      t.run('mount', ['-o', 'remount,ro', image])
      assert.equal(commit(t, 'r', image).filesRead, 1)
      t.run('umount', [image])
    })
  },
  'a subvolume of btrfs is a directory, a mount point is told of': t => {
    t.dendro('init')
    const image = t.makeDirectory('image')
    withDisk(t, 200 << 20, device => {
      t.run('mkfs.btrfs', ['-q', device])
      t.run('mount', [device, image])
      mkdirSync(`${image}/source/plain`, { recursive: true })
      for (const name of ['sub', 'sub/inner'])
        t.run('btrfs', ['-q', 'subvolume', 'create', `${image}/source/${name}`])
      writeFileSync(`${image}/source/sub/inner/file`, 'in a subvolume')
      for (const options of [[], ['--one-file-system']]) {
        t.dendro('commit', ...options, '-b', 'r', `${image}/source`)
        assert.equal(t.dendro('cat', 'r', 'sub/inner/file'), 'in a subvolume')
      }
      const mounted = `${image}/source/plain`
      t.run('mount', ['-t', 'tmpfs', 't', mounted])
      writeFileSync(`${mounted}/file`, 'elsewhere')
      const refused = t.tryDendro('commit', '-b', 'r', `${image}/source`)
      assert.equal(refused.status, 1)
      assert.match(refused.stderr, /source\/plain: it is a mount point/)
      const told = t.tryDendro('commit', '-x', '-b', 'r', `${image}/source`)
      assert.equal(told.status, 0)
      assert.match(
        told.stderr,
        /^dendro: left out: [^\n]*source\/plain[^\n]*\n$/,
      )
      assert.equal(t.dendro('ls', 'r', 'plain'), '')
      t.run('umount', [mounted])
      t.run('umount', [image])
    })
  },
  'what no commit can hold is refused with its path': t => {
    t.dendro('init')
    const source = t.makeDirectory('source')
    t.run('mount', ['-t', 'tmpfs', 't', source])
    mkdirSync(`${source}/far/deep`, { recursive: true })
    writeFileSync(`${source}/fine`, 'fine')
    t.commit('r', source)
    const refuse = (pattern: RegExp): void => {
      const { status, stderr } = t.tryDendro('commit', '-b', 'r', source)
      assert.equal(status, 1)
      assert.match(stderr, pattern)
      assert.match(
        stderr,
        /^dendro: cannot commit [^\n]*more than [0-9]+[^\n]* \([^\n]*\)\n$/,
      )
      assert.equal(t.dendro('log', 'r').match(/^commit/gm)?.length, 1)
      t.sh('rm -r "$1"/far/deep/*', source)
    }
    const deep = (name: string): string => `${source}/far/deep/${name}`
    t.run('touch', ['-d', '@9007199254740993', deep('dated')])
    refuse(/far\/deep\/dated: its time is 9007199254740992 s/)
    t.run('truncate', ['-s', '9007199254740993', deep('large')])
    refuse(/far\/deep\/large: its size is 9007199254740992/)
    for (const name of ['a', 'b'])
      t.run('truncate', ['-s', '9007199254740991', deep(name)])
    refuse(/source: the number of bytes of all files is 18014398509481984/)
    for (let file = 0; file < 50; file++) {
      writeFileSync(deep(`f${file}`), '')
      for (let i = 0; i < 82; i++)
        writeXattr(Buffer.from(deep(`f${file}`)), `user.${file * 82 + i}`, '')
    }
    refuse(/far\/deep\/f\d+: the number of xattr names in the tree is 41\d\d/)
    writeFileSync(deep('listed'), '')
    for (let i = 0; i < 700; i++)
      writeXattr(Buffer.from(deep('listed')), `user.${'n'.repeat(95)}${i}`, '')
    refuse(/far\/deep\/listed: the names of its xattrs take more than 65536/)
    t.commit('r', source)
    t.dendro('fsck')
  },
}
