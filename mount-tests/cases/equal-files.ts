/** Files of one commit that are equal in everything are files of their own. */

import assert from 'node:assert/strict'
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { TestContext, TestTable } from '../context.ts'

/** Names that are equal, beside two that are hard links. */
const EQUAL = [
  ['empty', 'e/empty', 'f/empty'],
  ['text', 'text-2', 'e/text'],
  ['link', 'e/link'],
  ['fifo', 'e/fifo'],
  ['device', 'e/device'],
]
const LINKED = ['linked', 'e/linked']
const ALL = [...EQUAL.flat(), ...LINKED, 'e', 'f']

const makeSource = (t: TestContext): string => {
  const source = t.makeDirectory('source')
  for (const name of ['e', 'f']) mkdirSync(join(source, name))
  for (const name of EQUAL[0]!) writeFileSync(join(source, name), '')
  for (const name of [...EQUAL[1]!, 'linked'])
    writeFileSync(join(source, name), 'same\n')
  for (const name of EQUAL[2]!) symlinkSync('text', join(source, name))
  t.sh(
    `cd "$1"; ln linked e/linked; mkfifo fifo e/fifo
     mknod device c 1 3; mknod e/device c 1 3; mkdir DEBIAN
     for line in 'Package: x' 'Version: 1' 'Architecture: all' 'Maintainer: x' 'Description: x'; do
       echo "$line"
     done > DEBIAN/control
     find . -exec touch -h -d @1500000000 {} +`,
    source,
  )
  t.dendro('init')
  t.commit('r', source)
  return source
}

const mountEqual = (t: TestContext): { source: string; mounted: string } => {
  const source = makeSource(t)
  return { source, mounted: t.mount('r', t.path('mnt')) }
}

const inode = (path: string): bigint => lstatSync(path, { bigint: true }).ino

const inodesOf = (root: string): bigint[] =>
  ALL.map(name => inode(join(root, name)))

/** Has programs copy a tree, and makes archives of what came of it. */
const COPY = `
  cd "$1"
  archive() { tar --sort=name -cf "$out/$1.tar" -C "$2" .; }
  out=$2
  archive tar .
  dpkg-deb --build . "$out/deb" > /dev/null
  dpkg-deb --fsys-tarfile "$out/deb" > "$out/deb.tar"
  # Links are followed: all that leads to a file is a copy of it.
  mkdir "$out/copy"
  cp -aL text text-2 empty linked e f link "$out/copy" 2> /dev/null || true
  archive followed "$out/copy"
  mksquashfs . "$out/squashfs" -quiet -no-progress > /dev/null
  unsquashfs -quiet -no-progress -dest "$out/unpacked" "$out/squashfs" > /dev/null
  archive squashfs "$out/unpacked"
`

/** Names that are hard links of names before them, as tar lists them. */
const linksIn = (t: TestContext, archive: string): string[] =>
  t
    .sh('tar -tvf "$1" | sed -n "s/^h.* \\(.*\\) link to .*/\\1/p"', archive)
    .split('\n')
    .filter(line => line !== '')

export const tests: TestTable = {
  'each has an inode of its own, hard links share one': t => {
    const { source, mounted } = mountEqual(t)
    const inodes = inodesOf(mounted)
    assert.equal(new Set(inodes).size, ALL.length - 1)
    assert.equal(
      inode(join(mounted, 'linked')),
      inode(join(mounted, 'e/linked')),
    )
    for (const name of ALL)
      assert.equal(
        lstatSync(join(mounted, name)).nlink,
        lstatSync(join(source, name)).nlink,
        name,
      )
  },
  'the inode is the same however it is found': t => {
    const { mounted } = mountEqual(t)
    // By name, before any directory was read; then by listing it.
    const found = inodesOf(mounted)
    t.dendro('umount', mounted)
    t.mount('r', mounted)
    for (const name of ['', 'e', 'f']) readdirSync(join(mounted, name))
    assert.deepEqual(inodesOf(mounted), found)
    // As readdir tells it, without attributes.
    const told = t.sh(
      'cd "$1"; ls -1i --color=never . e f | grep " " | grep -v DEBIAN',
      mounted,
    )
    const numbers = told
      .trim()
      .split('\n')
      .map(line => BigInt.asIntN(64, BigInt(line.trim().split(' ')[0]!)))
    assert.deepEqual(
      numbers.sort(),
      found.map(number => BigInt.asIntN(64, number)).sort(),
    )
  },
  'at the same path it is the same in the next commit, elsewhere another':
    t => {
      const source = makeSource(t)
      t.sh('cd "$1"; mv text-2 moved; echo more > more', source)
      t.commit('r', source)
      const [before, after] = [
        t.mount('r^', t.path('before')),
        t.mount('r', t.path('after')),
      ]
      for (const name of [...EQUAL.flat(), ...LINKED])
        if (name !== 'text-2')
          assert.equal(
            inode(join(before, name)),
            inode(join(after, name)),
            name,
          )
      assert.notEqual(
        inode(join(before, 'text-2')),
        inode(join(after, 'moved')),
      )
    },
  'hard links of which names come and go, or are outside of the tree': t => {
    const source = makeSource(t)
    const commit = (change: string): void => {
      t.sh(`cd "$1"; ${change}`, source)
      t.commit('r', source)
    }
    commit('ln linked ../outside; ln text ../outside-2')
    commit('ln linked third')
    commit('rm linked third')
    const view = t.mount(t.path('view'))
    const picture = (revision: string, name: string) => {
      const path = join(view, 'commits', t.dendro('rev-parse', revision), name)
      const { ino, nlink } = lstatSync(path, { bigint: true })
      return { ino, nlink: Number(nlink) }
    }
    const first = picture('r~3', 'e/linked')
    assert.equal(first.nlink, 2)
    assert.deepEqual(picture('r~2', 'e/linked'), first, 'as many names here')
    assert.deepEqual(picture('r~2', 'text'), picture('r~3', 'text'))
    const three = picture('r~1', 'e/linked')
    assert.equal(three.nlink, 3)
    assert.notEqual(three.ino, first.ino, 'it tells another count')
    assert.deepEqual(picture('r~1', 'third'), three)
    const last = picture('r', 'e/linked')
    assert.equal(last.nlink, 1)
    assert.ok(![first.ino, three.ino].includes(last.ino))
  },
  'a lock of one is none of another': t => {
    const { mounted } = mountEqual(t)
    t.sh(
      `cd "$1"
       exec 8< empty 9< linked
       flock -n 8; flock -n 9
       flock -n e/empty true
       flock -n text true
       if flock -n empty true; then exit 2; fi
       if flock -n e/linked true; then exit 3; fi`,
      mounted,
    )
  },
  'what copies a tree makes hard links of hard links alone': t => {
    const { source, mounted } = mountEqual(t)
    const links = (root: string, out: string): Record<string, string[]> => {
      t.makeDirectory(out)
      t.sh(COPY, root, t.path(out))
      return Object.fromEntries(
        ['tar', 'deb', 'followed', 'squashfs'].map(name => [
          name,
          linksIn(t, t.path(out, `${name}.tar`)),
        ]),
      )
    }
    const found = links(mounted, 'of-mount')
    assert.deepEqual(found, links(source, 'of-source'))
    assert.equal(found['tar']?.length, 1)
  },
}
