/** The warm path costs no request at all: exact counts. */

import assert from 'node:assert/strict'
import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { WakeLatency } from '../../src/system/wake-latency.ts'
import { countWarm, waitFor } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'

const FILES = 300
/** Walks of a hundred directories each. */
const WALKS = 20

const mountPlain = (t: TestContext, ...options: string[]): string => {
  const source = t.makeDirectory('source')
  mkdirSync(`${source}/bin`)
  for (let i = 0; i < FILES; i++) {
    if (i % 50 === 0) mkdirSync(`${source}/d${i / 50}`)
    writeFileSync(
      `${source}/d${Math.floor(i / 50)}/f${i}`,
      `content ${i}\n`.repeat(i),
    )
    symlinkSync(`f${i}`, `${source}/d${Math.floor(i / 50)}/l${i}`)
  }
  t.sh('cp /bin/true /bin/ls "$1/bin/"', source)
  t.dendro('init')
  t.commit('plain', source)
  return t.mount(...options, 'plain', t.path('mnt'))
}

/** Whether a process keeps the idle processors awake. */
const holdsProcessors = (pid: number): boolean => {
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).some(fd => {
    try {
      return readlinkSync(`${directory}/${fd}`) === '/dev/cpu_dma_latency'
    } catch {
      return false // Closed since.
    }
  })
}

const costsNothing =
  (script: string) =>
  (t: TestContext): void => {
    const mounted = mountPlain(t)
    const counts = countWarm(t, mounted, () =>
      t.try('sh', ['-c', script, 'sh', mounted]),
    )
    assert.deepEqual(counts, {})
  }

export const tests: TestTable = {
  'a second cat': costsNothing('cat "$1"/d*/f* > /dev/null'),
  // find and ls of a mount point ask statfs, which nothing can cache.
  'a second ls -lR': costsNothing('cd "$1" && ls -lR . > /dev/null'),
  'a second find': t => {
    const mounted = mountPlain(t)
    const work = () =>
      t.sh('find "$1" -type f -newermt 2001-01-01 > /dev/null', mounted)
    const counts = countWarm(t, mounted, work)
    const { STATFS = 0, ...others } = counts
    assert.deepEqual(others, {})
    assert.ok(STATFS <= 2, `${STATFS} STATFS`)
  },
  'a second grep -r asks for the holes of large files alone': t => {
    const source = t.makeDirectory('large')
    writeFileSync(`${source}/small`, 'text\n')
    for (const name of ['a', 'b', 'c'])
      writeFileSync(`${source}/${name}`, 'text\n'.repeat(100_000))
    t.dendro('init')
    t.commit('large', source)
    const mounted = t.mount('large', t.path('mnt'))
    const work = () => t.try('grep', ['-r', 'nothing-holds-this', mounted])
    work()
    const { STATFS = 0, LSEEK = 0, ...others } = countWarm(t, mounted, work)
    assert.deepEqual(others, {})
    assert.equal(LSEEK, 3)
    assert.ok(STATFS <= 1, `${STATFS} STATFS`)
  },
  'a second readlink': costsNothing('readlink "$1"/d*/l* > /dev/null'),
  'a second lookup of names that are not there': costsNothing(
    'for i in 1 2 3 4 5 6 7 8 9; do test -e "$1/d1/absent$i"; done; true',
  ),
  'a second exec of a program on the mount': costsNothing(
    '"$1/bin/true" && "$1/bin/ls" / > /dev/null',
  ),
  'with suid, exec asks for file capabilities only where there are any': t => {
    const source = t.makeDirectory('source')
    t.sh('cp /bin/true "$1/true"', source)
    t.dendro('init')
    t.commit('plain', source)
    const getxattrs = (ref: string) => {
      const mounted = t.mount('-o', 'suid', ref, t.path(ref))
      const work = () => t.run(`${mounted}/true`, [])
      const counts = countWarm(t, mounted, work)
      t.dendro('umount', mounted)
      return counts
    }
    assert.deepEqual(getxattrs('plain'), {})
    t.sh(
      'cp /bin/true "$1/capable"; setcap cap_net_raw+ep "$1/capable"',
      source,
    )
    t.commit('capable', source)
    assert.deepEqual(getxattrs('capable'), { GETXATTR: 1 })
  },
  'a first ls -l of a directory: two requests, no lookup of its entries': t => {
    const mounted = mountPlain(t)
    t.sh('ls "$1" > /dev/null', mounted)
    const counts = t.countRequests(mounted, () =>
      t.sh('ls -l "$1/d3" > /dev/null', mounted),
    )
    const {
      READDIRPLUS = 0,
      READLINK = 0,
      OPENDIR = 0,
      GETXATTR = 0,
      LISTXATTR = 0,
      STATX = 0,
      ...others
    } = counts
    assert.deepEqual(others, {})
    assert.equal(READDIRPLUS, 2)
    assert.equal(READLINK, 50)
    // Each is refused once and never asked again.
    assert.ok(
      OPENDIR + GETXATTR + LISTXATTR + STATX <= 4,
      JSON.stringify(counts),
    )
  },
  'files behind those that were read are stored: no READ comes': async t => {
    const mounted = mountPlain(t)
    t.sh('ls -l "$1/d2" > /dev/null', mounted)
    const first = t.countRequests(mounted, () =>
      t.sh('cd "$1/d2" && cat f100 f101 f102 > /dev/null', mounted),
    )
    assert.equal(first['READ'], 3)
    await waitFor('the rest', () => t.storedFiles(mounted) === 47)
    const counts = t.countRequests(mounted, () =>
      t.sh('cat "$1"/d2/f* > /dev/null', mounted),
    )
    assert.deepEqual(counts, {})
    t.sh('diff -r "$1/d2" "$2/d2"', t.path('source'), mounted)
  },
  'a directory that is listed behind them is stored when it was listed':
    async t => {
      const mounted = mountPlain(t)
      t.sh('ls -l "$1/d2" > /dev/null; cat "$1"/d2/f10[012]', mounted)
      await waitFor('the first', () => t.storedFiles(mounted) === 47)
      t.sh('ls -l "$1/d3" > /dev/null', mounted)
      await waitFor('the second', () => t.storedFiles(mounted) === 97)
      const counts = t.countRequests(mounted, () =>
        t.sh('cat "$1"/d3/f* > /dev/null', mounted),
      )
      assert.deepEqual(counts, {})
    },
  'with ahead=off, a first cat of files: one READ each': t => {
    const mounted = mountPlain(t, '-o', 'ahead=off')
    t.sh('ls -l "$1/d2" > /dev/null; cat "$1/d1/f50" > /dev/null', mounted)
    const counts = t.countRequests(mounted, () =>
      t.sh('cat "$1"/d2/f* > /dev/null', mounted),
    )
    assert.deepEqual(counts, { READ: 50 })
  },
  'the kernel refuses OPEN, OPENDIR and FLUSH once for the whole mount': t => {
    const mounted = mountPlain(t)
    t.sh('cat "$1"/d*/f* > /dev/null; ls -lR "$1" > /dev/null', mounted)
    const {
      OPEN = 0,
      OPENDIR = 0,
      FLUSH = 0,
      RELEASE = 0,
      GETATTR = 0,
    } = t.requests(mounted)
    assert.deepEqual(
      { OPEN, FLUSH, RELEASE },
      { OPEN: 1, FLUSH: 1, RELEASE: 0 },
    )
    assert.ok(OPENDIR <= 1)
    assert.ok(GETATTR <= 2, `${GETATTR} GETATTR`)
  },
  'a walk keeps idle processors awake, and lets go when it is over':
    async t => {
      const source = t.makeDirectory('source')
      for (let i = 0; i < WALKS * 100; i++) mkdirSync(`${source}/${i}`)
      t.dendro('init')
      t.commit('wide', source)
      const mounted = t.mount('wide', t.path('mnt'))
      const { pid } = t.processes(mounted)
      // A walk is over soon, and this program may be late to look.
      let wasHeld = false
      for (let walk = 0; walk < WALKS && !wasHeld; walk++) {
        for (let i = walk * 100; i < walk * 100 + 100; i++)
          readdirSync(`${mounted}/${i}`)
        wasHeld = holdsProcessors(pid)
      }
      const own = new WakeLatency()
      own.hold()
      assert.equal(wasHeld, holdsProcessors(process.pid))
      own.release()
      await waitFor('the processors to be let go', () => !holdsProcessors(pid))
    },
}
