/** Where data and holes are is told from the extents: nobody reads the holes. */

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import type { TestContext, TestTable } from '../context.ts'

/** Files with data here and there, as "name: offset length, ..." and the size. */
const FILES = `
import os, sys
KIB, GIB, TIB = 1 << 10, 1 << 30, 1 << 40
for name, size, parts in (
    ('sparse', 4 * TIB, ((0, 4), (GIB, 100000), (4 * TIB - 4, 4))),
    ('hole', 10 * GIB, ()),
    ('full', 300000, ((0, 300000),)),
    ('front', GIB, ((0, 70000),)),
    ('back', GIB, ((GIB - 70000, 70000),)),
    ('empty', 0, ()),
):
    with open(f'{sys.argv[1]}/{name}', 'wb') as file:
        file.truncate(size)
        for offset, length in parts:
            file.seek(offset)
            file.write(b'x' * length)
`

/**
 * Prints what lseek(2) says of each file, to 64 KiB: how fine that is, is the
 * file system's own.
 */
const SEEKS = `
import os, sys
for name in sorted(os.listdir(sys.argv[1])):
    file = os.open(f'{sys.argv[1]}/{name}', os.O_RDONLY)
    size = os.fstat(file).st_size
    position, parts = 0, []
    def ask(offset, whence):
        try:
            return os.lseek(file, offset, whence)
        except OSError as error:
            return os.strerror(error.errno)
    while isinstance(data := ask(position, os.SEEK_DATA), int):
        position = ask(data, os.SEEK_HOLE)
        parts.append((data >> 16, 'end' if position == size else -(-position >> 16)))
    ends = [ask(at, how) for at in (size, size + 1, -1) for how in (os.SEEK_DATA, os.SEEK_HOLE)]
    print(name, parts, data, ends, ask(0, os.SEEK_END) == size)
`

const makeSource = (t: TestContext): string => {
  const source = t.makeDirectory('source')
  // Not every file system takes files of 4 TiB.
  t.sh('mount -t tmpfs tmpfs "$1"', source)
  t.run('python3', ['-c', FILES, source])
  return source
}

/** A mount whose READs are counted. */
const mountSparse = (t: TestContext, source: string): string => {
  t.dendro('init')
  t.commit('r', source)
  return t.mount('r', t.path('mnt'))
}

export const tests: TestTable = {
  'lseek tells what it tells of the source, also past the end': t => {
    const source = makeSource(t)
    const mounted = mountSparse(t, source)
    const [expected, told] = [source, mounted].map(directory =>
      t.run('python3', ['-c', SEEKS, directory]),
    )
    assert.equal(told, expected)
    assert.ok(
      told?.includes("sparse [(0, 1), (16384, 16386), (67108863, 'end')]"),
    )
  },
  'copies of a file of 4 TiB that is nearly all hole read its data': t => {
    const source = makeSource(t)
    const mounted = mountSparse(t, source)
    const copies = t.path('copies')
    mkdirSync(copies)
    t.sh('mount -t tmpfs tmpfs "$1"', copies)
    const counts = t.countRequests(mounted, () => {
      t.sh('cp --sparse=always "$1/sparse" "$2/cp"', mounted, copies)
      t.sh('tar -C "$1" -cSf "$2/tar" sparse', mounted, copies)
      t.dendro('commit', '-b', 'again', mounted)
    })
    const { READ = 0 } = counts
    assert.ok(READ < 40, JSON.stringify(counts))
    const sizes = t.sh('du -k "$1/cp" "$1/tar" | cut -f 1', copies)
    for (const size of sizes.trim().split('\n')) assert.ok(Number(size) < 600)
    t.sh('cmp -n 200000 "$1/sparse" "$2/cp"', source, copies)
    assert.equal(t.sh('tail -c 4 "$1/cp"', copies), 'xxxx')
    const tree = (ref: string) =>
      t.dendro('ls', '-lR', ref).replaceAll(/\bagain\b/g, 'r')
    assert.equal(tree('again'), tree('r'))
  },
}
