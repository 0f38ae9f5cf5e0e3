import t from 'tap'
import type { Test } from 'tap'
import { guardDisk } from '../system/disk.ts'
import { deploy } from './deploy.ts'
import { restorePath } from './etc-restore.ts'
import { ownPath, resetEtc } from './etc-verbs.ts'
import { etcLog } from './etc-view.ts'
import { changeKernelArguments } from './kernel-arguments.ts'
import { SmallSysroot } from '../sysroot/small-sysroot.ts'
import { setPinned } from './switch.ts'
import { listOperations, undo } from './undo.ts'

const deployed = async (t: Test) => {
  const s = new SmallSysroot()
  t.teardown(() => s.remove())
  await s.version('1', { a: 'default a', b: 'default b', c: 'default c' })
  await deploy(s.sysroot, { revision: 'os' })
  const { repository, sysroot } = s
  return {
    s,
    reset: (...names: string[]) =>
      resetEtc(sysroot, { paths: names, keep: [] }),
    restore: (name: string, number: number) =>
      restorePath(sysroot, name, number),
    undo: () => undo(repository, sysroot, undefined),
    log: () => listOperations(repository, sysroot),
    snapshots: () => etcLog(sysroot, 'os').map(({ subject }) => subject),
  }
}

t.test('what does nothing is no operation and takes no snapshot', async t => {
  const { s, reset, restore, log, snapshots } = await deployed(t)
  s.edit({ a: 'mine' })
  await ownPath(s.sysroot, 'b', true)
  const before = [log(), snapshots()]
  const nothing = [
    await reset('no/such'),
    await reset('c'),
    await restore('a', 0),
    await ownPath(s.sysroot, 'b', true),
    await ownPath(s.sysroot, 'c', false),
  ]
  t.same(nothing, [[], [], [], [], []])
  await setPinned(s.sysroot, 0, false)
  const change = { append: [], delete: [], replace: [] }
  await changeKernelArguments(s.sysroot, 0, change)
  t.same([log(), snapshots()], before)
})

t.test('a restore means the number that the log shows', async t => {
  const { s, restore, undo, snapshots } = await deployed(t)
  s.edit({ a: 'first' })
  await ownPath(s.sysroot, 'a', true)
  s.edit({ a: 'second' })
  await ownPath(s.sysroot, 'a', false)
  s.edit({ a: 'broken' })
  t.equal(snapshots()[0], 'before etc disown')
  await restore('a', 0)
  t.equal(s.read('a'), 'second')
  await undo()
  t.equal(s.read('a'), 'broken')
})

t.test('undo follows the order of operations and not the clock', async t => {
  const { s, reset, undo, log } = await deployed(t)
  s.edit({ a: 'my a', b: 'my b' })
  await reset('a')
  const now = Date.now
  Date.now = () => 1_000_000
  await reset('b').finally(() => (Date.now = now))
  t.match(log()[0]?.text, 'etc reset /etc/b')
  await undo()
  t.same([s.read('a'), s.read('b')], [undefined, 'my b'])
})

t.test('an edit that is cut short is logged with what it did', async t => {
  const { s, reset, undo, log } = await deployed(t)
  s.edit({ a: 'my a', b: 'my b', c: 'my c' })
  let isExchanged = false
  guardDisk({
    pass: (operation, perform) => {
      const isNext = isExchanged
      isExchanged = operation.kind === 'exchange'
      if (isNext) throw new Error('the disk is gone')
      return perform()
    },
    passWrite: (_operation, length, perform) => perform(length),
    opened: () => undefined,
    closed: () => undefined,
  })
  t.teardown(() => guardDisk(undefined))
  await t.rejects(reset(), /the disk is gone/)
  guardDisk(undefined)
  t.match(log()[0], {
    text: /^etc reset \/etc\/a \/etc\/b \/etc\/c in os .* \(cut short\)$/,
    paths: ['a', 'b', 'c'],
  })
  t.equal(s.read('a'), undefined)
  await undo()
  t.same(
    ['a', 'b', 'c'].map(name => s.read(name)),
    ['my a', 'my b', 'my c'],
  )
})
