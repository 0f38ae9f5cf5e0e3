/** One superblock, one inode for an object, and a place of its own for a directory. */

import assert from 'node:assert/strict'
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { sum } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { noise } from '../odd-tree.ts'

const makeTwo = (t: TestContext): { a: string; b: string; view: string } => {
  const source = t.makeDirectory('source')
  for (let d = 0; d < 40; d++) {
    mkdirSync(`${source}/d${d}/sub`, { recursive: true })
    for (let f = 0; f < 20; f++)
      writeFileSync(`${source}/d${d}/sub/f${f}`, `${d} ${f}`)
  }
  mkdirSync(`${source}/same-1`)
  mkdirSync(`${source}/same-2`)
  t.sh('touch -d @1500000000 "$1/same-1" "$1/same-2"', source)
  writeFileSync(`${source}/big`, noise(2_000_000, 3))
  t.dendro('init')
  const first = t.commit('r', source)
  writeFileSync(`${source}/d7/sub/f3`, 'changed')
  const second = t.commit('r', source)
  const view = t.mount(t.path('view'))
  return { a: `${view}/commits/${first}`, b: `${view}/commits/${second}`, view }
}

export const tests: TestTable = {
  'st_dev is the same in the view, in every commit and in a bind mount': t => {
    const { a, b, view } = makeTwo(t)
    const bound = t.mount('r^', t.path('bound'))
    const devices = [view, a, b, `${b}/big`, bound, `${bound}/d1`].map(
      path => statSync(path).dev,
    )
    assert.equal(new Set(devices).size, 1)
  },
  'an equal file is one inode in all commits, and is read once': t => {
    const { a, b, view } = makeTwo(t)
    const ino = (path: string) => statSync(path, { bigint: true }).ino
    assert.equal(ino(`${a}/big`), ino(`${b}/big`))
    assert.notEqual(ino(`${a}/d7/sub/f3`), ino(`${b}/d7/sub/f3`))
    const read = (path: string) => () => t.sh('cat "$1" > /dev/null', path)
    const first = t.countRequests(view, read(`${a}/big`))
    assert.ok((first['READ'] ?? 0) > 0)
    // Not warmed by itself: what is read here was read through the other commit.
    let reads: number | undefined
    for (let attempt = 0; attempt < 3 && reads !== 0; attempt++) {
      read(`${a}/big`)()
      reads = t.countRequests(view, read(`${b}/big`))['READ'] ?? 0
    }
    assert.equal(reads, 0)
  },
  'an equal directory has the same st_ino in both commits, a changed one another':
    t => {
      const { a, b } = makeTwo(t)
      const ino = (path: string) => statSync(path, { bigint: true }).ino
      assert.equal(ino(`${a}/d1`), ino(`${b}/d1`))
      assert.notEqual(ino(`${a}/d7`), ino(`${b}/d7`))
      assert.notEqual(ino(a), ino(b))
    },
  'two equal directories in one commit have different st_ino': t => {
    const { a } = makeTwo(t)
    const ino = (path: string) => statSync(path, { bigint: true }).ino
    assert.notEqual(ino(`${a}/same-1`), ino(`${a}/same-2`))
  },
  'd_ino equals st_ino': t => {
    const { a } = makeTwo(t)
    const listed = t
      .run('ls', ['-1i', a])
      .trim()
      .split('\n')
      .map(line => line.trim().split(' '))
    for (const [ino, name] of listed as [string, string][])
      assert.equal(
        ino,
        String(
          BigInt.asUintN(64, statSync(`${a}/${name}`, { bigint: true }).ino),
        ),
      )
  },
  'a working directory stays in its commit': t => {
    const { a, b } = makeTwo(t)
    const out = t.sh(
      'cd "$1/d1/sub"; ls -lR "$2" > /dev/null; pwd -P; cd "$2/d1/sub"; pwd -P; cd -P ..; pwd -P',
      a,
      b,
    )
    assert.deepEqual(out.trim().split('\n'), [
      `${a}/d1/sub`,
      `${b}/d1/sub`,
      `${b}/d1`,
    ])
  },
  'diff -r opens only what changed': t => {
    const { a, b, view } = makeTwo(t)
    let told = ''
    const counts = t.countRequests(view, () => {
      told = t.try('diff', ['-rq', '--no-dereference', a, b]).stdout
    })
    assert.equal(told, `Files ${a}/d7/sub/f3 and ${b}/d7/sub/f3 differ\n`)
    assert.ok(sum(counts) < 30, JSON.stringify(counts))
  },
  'a file that was met in a commit that is pruned since': t => {
    const source = t.makeDirectory('source')
    writeFileSync(`${source}/kept`, noise(300_000, 5))
    writeFileSync(`${source}/changed`, '1')
    t.sh('cd "$1"; ln kept link; ln -s kept symlink', source)
    t.dendro('init')
    const first = t.commit('r', source)
    writeFileSync(`${source}/changed`, '2')
    const second = t.commit('r', source)
    const view = t.mount(t.path('view'))
    t.sh(
      'ls -lR "$1" > /dev/null; cat "$1/kept"> /dev/null',
      `${view}/commits/${first}`,
    )
    const kept = `${view}/commits/${second}/kept`
    const descriptor = openSync(kept, 'r')
    const { ino } = fstatSync(descriptor, { bigint: true })
    const nodes = () =>
      (
        JSON.parse(t.dendro('mount', 'stats', view, '--json')) as {
          nodes: number
        }
      ).nodes
    // The kernel lets go of the first commit, and of no file that is open.
    for (let i = 0; i < 20 && nodes() > 3; i++)
      t.sh('echo 3 > /proc/sys/vm/drop_caches; sleep 0.1')
    assert.match(t.dendro('prune', '--keep-last', '1'), /^removed commit/)
    // Nothing is in the memory of a server that begins.
    process.kill(t.processes(view).pid, 'SIGKILL')
    assert.deepEqual(readFileSync(descriptor), readFileSync(`${source}/kept`))
    closeSync(descriptor)
    t.sh('diff -r "$1" "$2"', source, `${view}/commits/${second}`)
    assert.equal(statSync(kept, { bigint: true }).ino, ino)
  },
  'ctime is mtime, never the date of the commit': t => {
    const { a } = makeTwo(t)
    const { mtimeNs, ctimeNs } = statSync(`${a}/same-1`, { bigint: true })
    assert.equal(mtimeNs, ctimeNs)
    assert.equal(mtimeNs, 1_500_000_000_000_000_000n)
  },
  'du counts a shared file once': t => {
    const { a, b } = makeTwo(t)
    const kib = (...paths: string[]) =>
      Number(
        t
          .run('du', ['-sck', ...paths])
          .trim()
          .split('\n')
          .at(-1)
          ?.split('\t')[0],
      )
    assert.ok(
      kib(a, b) - kib(a) < 20_00 - 900,
      'the second commit adds directories alone',
    )
  },
  'memory of nodes is given back on FORGET': t => {
    const { a, view } = makeTwo(t)
    t.sh('find "$1" > /dev/null', a)
    const nodes = () =>
      (
        JSON.parse(t.dendro('mount', 'stats', view, '--json')) as {
          nodes: number
        }
      ).nodes
    const before = nodes()
    assert.ok(before > 800)
    t.sh(
      'echo 2 > /proc/sys/vm/drop_caches; sleep 0.2; echo 2 > /proc/sys/vm/drop_caches',
    )
    assert.ok(nodes() < before / 2, `${nodes()} of ${before} nodes`)
    assert.equal(readFileSync(`${a}/d1/sub/f1`, 'utf8'), '1 1')
  },
}
