import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import t from 'tap'
import {
  holdMountNamespace,
  isOfOwnUser,
  ownMountNamespace,
} from './namespaces.ts'
import { deviceOf, readMountTable } from './mount-table.ts'
import { listProcesses, startTicksOf } from './process.ts'

const canUnshare =
  spawnSync('unshare', ['-Urm', 'true'], { stdio: 'ignore' }).status === 0

t.test('the own namespace is one of the own user', async t => {
  const held = holdMountNamespace(process.pid)
  t.equal(held?.inode, ownMountNamespace())
  t.ok(held !== undefined && isOfOwnUser(held))
  held?.close()
})

t.test(
  'a namespace in a user namespace of its own is not',
  { skip: !canUnshare && 'this system lets nobody make one' },
  async t => {
    const child = spawn('unshare', ['-Urm', 'sh', '-c', 'echo; read end'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    await once(child.stdout, 'data')
    const held = holdMountNamespace(child.pid as number)
    t.ok(held !== undefined && held.inode !== ownMountNamespace())
    t.notOk(held !== undefined && isOfOwnUser(held))
    held?.close()
    child.stdin.end('\n')
    await once(child, 'close')
  },
)

t.test('a process that has ended has no namespace and no start', async t => {
  const child = spawn('true', { stdio: 'ignore' })
  const pid = child.pid as number
  await once(child, 'close')
  t.equal(holdMountNamespace(pid), undefined)
  t.equal(startTicksOf(pid), undefined)
})

t.test('the start of a process does not change, and is listed', async t => {
  const ticks = startTicksOf(process.pid)
  t.ok(ticks !== undefined && Number.isSafeInteger(ticks) && ticks > 0)
  t.equal(startTicksOf(process.pid), ticks)
  t.ok(listProcesses().includes(process.pid))
  t.ok((startTicksOf(1) ?? 0) <= (ticks ?? 0))
})

t.test('the name of a process may hold anything', async t => {
  const child = spawn(
    'python3',
    [
      '-c',
      'import sys; open("/proc/self/comm", "w").write("a) Z 1"); print(); sys.stdin.read()',
    ],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  )
  await once(child.stdout, 'data')
  t.ok((startTicksOf(child.pid as number) ?? 0) > 0)
  child.stdin.end()
  await once(child, 'close')
})

t.test('device numbers are those of the mount table', async t => {
  const entry = readMountTable().findLast(
    ({ mountpoint }) => mountpoint === '/proc',
  )
  t.equal(deviceOf(statSync('/proc').dev), entry?.device)
  t.equal(deviceOf(0x12_34_5f_01), '1119:74497')
  t.equal(deviceOf(0x0801), '8:1')
})
