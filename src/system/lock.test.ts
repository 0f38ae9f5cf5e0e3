import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { HeldDirectory } from './held-path.ts'
import { lockHolders, parseHolders } from './lock-holders.ts'
import { acquireLock, tryLock } from './lock.ts'

t.test('the kernel says who holds a lock', async t => {
  const text = [
    '1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF',
    '1: -> FLOCK  ADVISORY  WRITE 12 08:01:131 0 EOF',
    '2: FLOCK  ADVISORY  READ 13 08:02:131 0 EOF',
    '3: POSIX  ADVISORY  READ 14 08:01:131 0 EOF',
    '4: FLOCK  ADVISORY  READ 15 08:01:132 0 EOF',
  ].join('\n')
  t.same(parseHolders(text, '8:1', 131), [4711])
  t.same(parseHolders(text, '0:40', 131), [4711, 13], 'a subvolume')
  const path = join(t.testdir({ lock: '' }), 'lock')
  const lock = tryLock(path, 'exclusive')
  t.same(
    lockHolders(statSync(path)).map(({ pid }) => pid),
    [process.pid],
  )
  lock?.release()
  t.same(lockHolders(statSync(path)), [])
})

t.test('a directory is locked as a file is', async t => {
  const path = t.testdir()
  const lock = tryLock(path, 'exclusive')
  t.ok(lock)
  t.equal(tryLock(path, 'shared'), undefined)
  lock?.release()
  t.ok(tryLock(path, 'shared'))
})

t.test(
  'a stranger who holds a lock is named, and not waited for without end',
  { skip: process.geteuid?.() !== 0 && 'only root becomes somebody else' },
  async t => {
    const directory = mkdtempSync(join(tmpdir(), 'dendro-lock-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    chmodSync(directory, 0o755)
    writeFileSync(join(directory, 'lock'), '')
    const held = HeldDirectory.open(directory)
    const script = 'exec 3<"$1"; flock -x 3; echo held; exec sleep 60'
    const hold = async (uid: number) => {
      const args = ['-c', script, 'sh', join(directory, 'lock')]
      const holder = spawn('sh', args, { uid })
      await once(holder.stdout, 'data')
      return holder
    }
    const stranger = await hold(1234)
    let told = ''
    const waiting = acquireLock(
      held.at('lock'),
      'shared',
      who => (told = who),
      1000,
    )
    await t.rejects(waiting, {
      code: 'LOCK_HELD',
      message: /sleep \(pid \d+, user 1234\) holds it/,
    })
    t.match(told, `(pid ${stranger.pid}, user 1234)`)
    stranger.kill()
    await once(stranger, 'close')
    const own = await hold(0)
    let isTaken = false
    const taken = acquireLock(held.at('lock'), 'shared', undefined, 100)
    void taken.then(() => (isTaken = true))
    await sleep(500)
    t.notOk(isTaken, 'root is waited for')
    own.kill()
    ;(await taken).release()
    held.close()
  },
)
