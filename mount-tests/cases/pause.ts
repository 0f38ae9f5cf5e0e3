/** A crash of the server is only a pause: the mount outlives it. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createInterface } from 'node:readline'
import { waitFor } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { noise } from '../odd-tree.ts'
import {
  dropCaches,
  ended,
  events,
  isRunning,
  killServer,
  start,
} from '../served-tree.ts'

const runtimeDirectory = (t: TestContext): string => {
  const { id } = JSON.parse(
    readFileSync(`${t.repository}/config.json`, 'utf8'),
  ) as { id: string }
  const name = readdirSync('/run/dendro').find(entry => entry.startsWith(id))
  return `/run/dendro/${name}`
}

/** Reads the whole tree in a loop; ends with the number of whole passes. */
const READER = `
  passes=0
  while [ ! -e "$2/stop" ]; do
    (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum) > "$2/now" || exit 1
    cmp "$2/now" "$2/sums" || exit 1
    passes=$((passes + 1))
    echo 3 > /proc/sys/vm/drop_caches
  done
  echo $passes`

const sumsOf = (t: TestContext, source: string, into: string): void => {
  t.sh(
    '(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum) > "$2/sums"',
    source,
    into,
  )
}

export const tests: TestTable = {
  'a server that is killed while idle is replaced, and nothing changes':
    async t => {
      start(t)
      const mounted = t.mount('r', t.path('mnt'))
      const listing = () =>
        t.sh(
          'cd "$1" && ls -lRi --full-time && stat -c "%n %i %Z" . d0',
          mounted,
        )
      const before = listing()
      await killServer(t, mounted)
      dropCaches()
      assert.equal(listing(), before)
      assert.equal(events(t, 'server-died').length, 1)
      assert.equal(events(t, 'server-restarted').length, 1)
    },
  'a killed server of which a thread still sleeps in the kernel is replaced':
    t => {
      const root = new URL('../../../', import.meta.url).pathname
      const types = t.sh(
        'exec python3 "$1/mount-tests/headless-server.py" "$2" "$3" 2>/dev/null',
        root,
        `${root}native-shim/dendro-keeper`,
        t.makeDirectory('keeper'),
      )
      assert.equal(types, 'server-died server-restarted\n')
    },
  'open files, directories and a working directory go on': async t => {
    const source = start(t)
    const mounted = t.mount('r', t.path('mnt'))
    const fd = openSync(`${mounted}/d1/deep/f1`, 'r')
    const half = Buffer.alloc(100_000)
    readSync(fd, half, 0, half.length, 0)
    const walker = spawn(
      'python3',
      [
        '-c',
        [
          'import os, sys',
          'os.chdir(sys.argv[1])',
          'it = os.scandir("d0/deep")',
          'names = [next(it).name]',
          'print("ready", flush=True)',
          'sys.stdin.readline()',
          'names += [e.name for e in it]',
          'print(os.getcwd(), len(names), len(set(names)), len(os.listdir(".")))',
        ].join('\n'),
        mounted,
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    await new Promise(done => walker.stdout.once('data', done))
    await killServer(t, mounted)
    dropCaches()
    const done = ended(walker)
    walker.stdin.write('\n')
    const { text } = await done
    const entries = readdirSync(`${source}/d0/deep`).length
    const top = readdirSync(source).length
    assert.equal(text.trim(), `${mounted} ${entries} ${entries} ${top}`)
    const whole = Buffer.alloc(700_000)
    assert.equal(readSync(fd, whole, 0, whole.length, 0), whole.length)
    assert.ok(whole.equals(noise(700_000, 1)))
    closeSync(fd)
  },
  'the view follows its repository also when it changed during the pause':
    async t => {
      const source = start(t)
      const view = t.mount(t.path('view'))
      t.sh('ls -lR "$1/refs" "$1/by-version" > /dev/null', view)
      const { pid } = t.processes(view)
      process.kill(pid, 'SIGSTOP')
      writeFileSync(`${source}/small`, 'changed\n')
      const id = t.commit('r', source)
      t.commit('other', source)
      process.kill(pid, 'SIGKILL')
      await waitFor(
        'the moved ref',
        () => readlinkSync(`${view}/refs/r`).endsWith(id),
        3000,
      )
      assert.equal(readFileSync(`${view}/refs/r/small`, 'utf8'), 'changed\n')
      assert.deepEqual(readdirSync(`${view}/refs`).sort(), ['other', 'r'])
    },
  'killed over and over under eight readers: every byte is right': async t => {
    const source = start(t)
    const mounted = t.mount('r', t.path('mnt'))
    const readers = []
    for (let i = 0; i < 8; i++) {
      const own = t.makeDirectory(`reader${i}`)
      sumsOf(t, source, own)
      const reader = spawn('sh', ['-c', READER, 'sh', mounted, own])
      readers.push(ended(reader))
    }
    let last = 0
    for (let round = 0; round < 12; round++) {
      // By the process table: asking the server would wait for it.
      const { pid } = JSON.parse(
        readFileSync(`${runtimeDirectory(t)}/server.json`, 'utf8'),
      ) as { pid: number }
      if (pid !== last) process.kill(pid, 'SIGKILL')
      last = pid
      await new Promise(done => setTimeout(done, 150 + (round % 4) * 100))
    }
    for (let i = 0; i < 8; i++) writeFileSync(t.path(`reader${i}`, 'stop'), '')
    for (const { code, text } of await Promise.all(readers)) {
      assert.equal(code, 0, text)
      assert.ok(Number(text.trim()) > 0, text)
    }
    assert.ok(events(t, 'server-died').length >= 5)
  },
  'without NOTIFY_RESEND the request in hand is answered from the journal':
    async t => {
      start(t)
      const mounted = t.mount('-o', 'resend=off,watchdog=1', 'r', t.path('mnt'))
      for (let round = 0; round < 6; round++) {
        const { pid } = t.processes(mounted)
        process.kill(pid, 'SIGSTOP')
        dropCaches()
        // It waits for the stopped server, unread; others pile up behind it.
        const readers = [0, 1, 2].map(i =>
          ended(
            spawn('sh', [
              '-c',
              'sha256sum < "$1"',
              'sh',
              `${mounted}/d${i}/deep/f${i}`,
            ]),
          ),
        )
        await new Promise(done => setTimeout(done, 20 * round))
        process.kill(pid, 'SIGCONT')
        await new Promise(done => setTimeout(done, round))
        process.kill(pid, 'SIGKILL')
        for (const [i, { code, text }] of (
          await Promise.all(readers)
        ).entries()) {
          assert.equal(code, 0, text)
          const { createHash } = await import('node:crypto')
          const sum = createHash('sha256')
            .update(noise(700_000, i))
            .digest('hex')
          assert.match(text, new RegExp(`^${sum}`))
        }
      }
    },
  'a keeper that is killed is replaced by the server': async t => {
    start(t)
    const mounted = t.mount('r', t.path('mnt'))
    const { pid, keeperPid } = t.processes(mounted)
    process.kill(keeperPid, 'SIGKILL')
    await waitFor('another keeper', () => {
      const next = t.processes(mounted)
      return next.pid === pid && next.keeperPid !== keeperPid
    })
    await killServer(t, mounted)
    assert.equal(t.sh('cat "$1/small"', mounted), 'small\n')
    const directory = runtimeDirectory(t)
    const last = t.processes(mounted)
    t.dendro('umount', mounted)
    await waitFor(
      'all to end',
      () => !isRunning(last.pid) && !isRunning(last.keeperPid),
    )
    await waitFor('the directory to go', () => !existsSync(directory))
  },
  'a server that cannot start is tried again, and said to be': async t => {
    start(t)
    const mounted = t.mount('r', t.path('mnt'))
    const { pid } = t.processes(mounted)
    t.sh('mv "$1/config.json" "$1/away"', t.repository)
    process.kill(pid, 'SIGKILL')
    const reader = ended(spawn('cat', [`${mounted}/small`]))
    await new Promise(done => setTimeout(done, 2500))
    t.sh('mv "$1/away" "$1/config.json"', t.repository)
    assert.deepEqual(await reader, { code: 0, text: 'small\n' })
    assert.ok(events(t, 'server-did-not-start').length >= 2)
  },
  'reload hands the mount to another server': async t => {
    const source = start(t)
    const mounted = t.mount('r', t.path('mnt'))
    const own = t.makeDirectory('reader')
    sumsOf(t, source, own)
    const reader = ended(spawn('sh', ['-c', READER, 'sh', mounted, own]))
    const pids = new Set([t.processes(mounted).pid])
    for (let round = 0; round < 5; round++) {
      t.dendro('mount', 'reload', mounted)
      pids.add(t.processes(mounted).pid)
    }
    writeFileSync(`${own}/stop`, '')
    const { code, text } = await reader
    assert.equal(code, 0, text)
    assert.equal(pids.size, 6)
    assert.equal(events(t, 'server-reloaded').length, 5)
    t.dendro('umount', mounted)
    await waitFor('all servers to end', () => ![...pids].some(isRunning))
  },
  'a new server that does not start gives the mount back': async t => {
    start(t)
    const mounted = t.mount('r', t.path('mnt'))
    const { pid } = t.processes(mounted)
    const socket = `${runtimeDirectory(t)}/control.sock`
    const bad = t.path('bad.cjs')
    const ask = (program: string): { error?: string } =>
      JSON.parse(
        t.run('python3', [
          '-c',
          'import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(sys.argv[2].encode()+b"\\n"); print(s.makefile().read())',
          socket,
          `reload\t${process.execPath}\t${program}`,
        ]),
      ) as { error?: string }
    for (const text of [
      'process.exit(3)',
      // Gets ready, and then does not serve.
      'require("fs").writeSync(5, "standby\\n"); setTimeout(() => process.exit(4), 500)',
    ]) {
      writeFileSync(bad, text)
      assert.match(ask(bad).error ?? '', /^the new server/)
      assert.equal(t.processes(mounted).pid, pid)
      assert.equal(t.sh('cat "$1/small"', mounted), 'small\n')
    }
    assert.equal(events(t, 'reload-failed').length, 2)
    // The program that works is the one that the next restart uses.
    await killServer(t, mounted)
    assert.equal(t.sh('cat "$1/small"', mounted), 'small\n')
  },
  'an umount leaves nothing behind, also after many restarts': async t => {
    start(t)
    const mounted = t.mount('r', t.path('mnt'))
    for (let round = 0; round < 3; round++) {
      await killServer(t, mounted)
      t.sh('cat "$1/small"', mounted)
    }
    const { pid, keeperPid } = t.processes(mounted)
    const directory = runtimeDirectory(t)
    t.dendro('umount', mounted)
    await waitFor('all to end', () => !isRunning(pid) && !isRunning(keeperPid))
    await waitFor('the directory to go', () => !existsSync(directory))
  },
  'a service manager keeps the mount over the end of everything': async t => {
    start(t)
    const mounted = t.makeDirectory('mnt')
    const manager = spawn(
      'python3',
      [
        new URL('../../../mount-tests/service-manager.py', import.meta.url)
          .pathname,
        t.path('notify'),
        new URL('../../../scripts/dendro', import.meta.url).pathname,
        'mount',
        '--foreground',
        'r',
        mounted,
      ],
      {
        env: { ...process.env, DENDRO_REPO: t.repository },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    )
    const lines: string[] = []
    // A line may come in pieces.
    createInterface({ input: manager.stdout }).on('line', line =>
      lines.push(line),
    )
    const done = ended(manager)
    await waitFor('READY=1', () => lines.includes('ready 2'), 20_000)
    const fd = openSync(`${mounted}/small`, 'r')
    const { ino } = statSync(`${mounted}/small`)
    manager.stdin.write('kill\n')
    await waitFor(
      'READY=1 again',
      () => lines.filter(line => line === 'ready 2').length === 2,
      20_000,
    )
    dropCaches()
    assert.equal(readFileSync(`${mounted}/small`, 'utf8'), 'small\n')
    assert.equal(statSync(`${mounted}/small`).ino, ino)
    assert.equal(readFileSync(fd, 'utf8'), 'small\n')
    closeSync(fd)
    t.dendro('umount', mounted)
    const { code } = await done
    assert.equal(code, 0)
  },
}
