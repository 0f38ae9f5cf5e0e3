/** What happens when the machine runs out of something. */

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { DENDRO, waitFor } from '../context.ts'
import type { TestTable } from '../context.ts'
import { noise } from '../odd-tree.ts'

/** A memory group of `bytes` for these processes; removes it again. */
const limitMemory = (bytes: number, pids: readonly number[]): (() => void) => {
  const isV1 = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes')
  const base = isV1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup'
  if (!isV1) writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', '+memory')
  const group = `${base}/dendro-test-${process.pid}`
  mkdirSync(group)
  const limit = isV1 ? 'memory.limit_in_bytes' : 'memory.max'
  writeFileSync(`${group}/${limit}`, String(bytes))
  for (const pid of pids) writeFileSync(`${group}/cgroup.procs`, String(pid))
  return () => {
    const left = readFileSync(`${group}/cgroup.procs`, 'utf8')
    for (const pid of left.split('\n').filter(line => line !== ''))
      writeFileSync(`${base}/cgroup.procs`, pid)
    rmdirSync(group)
  }
}

export const tests: TestTable = {
  'a server that is killed for its memory is only a pause': async t => {
    const source = t.makeDirectory('source')
    for (let i = 0; i < 60; i++)
      writeFileSync(`${source}/f${i}`, noise(1_500_000, i))
    t.dendro('init')
    t.commit('r', source)
    const mounted = t.mount('r', t.path('mnt'))
    const { pid, keeperPid } = t.processes(mounted)
    // What the server gains from here on is counted; the next one is outside.
    const release = limitMemory(4_000_000, [pid])
    try {
      t.run('diff', ['-r', source, mounted])
      assert.match(t.dendro('events', '--type', 'server-died'), /server-died/)
      t.dendro('umount', mounted)
      await waitFor(
        'the keeper to end',
        () => !existsSync(`/proc/${keeperPid}/cwd/etc`),
      )
    } finally {
      release()
    }
  },
  'out of descriptors a server closes packs and goes on': t => {
    const source = t.makeDirectory('source')
    t.dendro('init')
    for (let i = 0; i < 12; i++) {
      writeFileSync(`${source}/more${i}`, noise(50_000, 100 + i))
      t.commit('r', source)
    }
    const mounted = t.mount('r', t.path('mnt'))
    const { pid } = t.processes(mounted)
    const open = readdirSync(`/proc/${pid}/fd`).length
    t.run('prlimit', [`--nofile=${open + 4}`, '--pid', String(pid)])
    t.run('diff', ['-r', source, mounted])
  },
  'a full disk and a read-only store stop writers, not readers': t => {
    const disk = t.makeDirectory('disk')
    t.sh('mount -t tmpfs -o size=8m tmpfs "$1"', disk)
    const env = { DENDRO_REPO: `${disk}/repo` }
    const dendro = (...args: string[]) => t.try(DENDRO, args, { env })
    const source = t.makeDirectory('source')
    writeFileSync(`${source}/small`, 'small\n')
    assert.equal(dendro('init').status, 0)
    assert.equal(dendro('commit', '-b', 'r', source).status, 0)
    t.sh('dd if=/dev/zero of="$1/fill" bs=64k 2> /dev/null || true', disk)
    writeFileSync(`${source}/large`, noise(3_000_000, 1))
    const full = dendro('commit', '-b', 'r', source)
    assert.equal(full.status, 1)
    assert.match(full.stderr, /no space left on device/)
    const mounted = t.makeDirectory('mnt')
    assert.equal(dendro('mount', 'r', mounted).status, 0)
    assert.equal(readFileSync(`${mounted}/small`, 'utf8'), 'small\n')
    assert.equal(dendro('umount', mounted).status, 0)
    rmSync(`${disk}/fill`)
    t.sh('mount -o remount,ro "$1"', disk)
    assert.equal(dendro('mount', 'r', mounted).status, 0)
    assert.equal(readFileSync(`${mounted}/small`, 'utf8'), 'small\n')
    assert.equal(dendro('fsck').status, 0)
    assert.equal(dendro('cat', 'r', 'small').stdout, 'small\n')
    const refused = dendro('commit', '-b', 'r', source)
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /the file system is read-only/)
    assert.equal(dendro('umount', mounted).status, 0)
    t.sh('mount -o remount,rw "$1"', disk)
    assert.equal(dendro('commit', '-b', 'r', source).status, 0)
    t.sh('umount "$1"', disk)
  },

  'reading everything over and over keeps the server within bounds': t => {
    const source = t.makeDirectory('source')
    for (let i = 0; i < 40; i++)
      writeFileSync(`${source}/f${i}`, noise(1_000_000, i))
    t.dendro('init')
    t.commit('r', source)
    const mounted = t.mount('r', t.path('mnt'))
    const { pid } = t.processes(mounted)
    const resident = () =>
      Number(
        /^VmRSS:\s+(\d+)/m.exec(
          readFileSync(`/proc/${pid}/status`, 'utf8'),
        )?.[1],
      ) * 1024
    const before = resident()
    for (let round = 0; round < 3; round++)
      t.sh(
        'echo 3 > /proc/sys/vm/drop_caches; diff -r "$1" "$2"',
        source,
        mounted,
      )
    // Two caches of 32 MiB and what V8 has not yet collected.
    assert.ok(resident() - before < 300_000_000, `${resident() - before}`)
  },
}
