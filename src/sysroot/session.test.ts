/** What a session of a sysroot reads, how often, and when again. */

import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { deploy } from '../deploy/deploy.ts'
import { setPinned } from '../deploy/switch.ts'
import { Sysroot } from './session.ts'
import type { Running } from './session.ts'
import { SmallSysroot } from './small-sysroot.ts'
import { deploymentName } from './sysroot.ts'
import { withTransaction } from './transaction.ts'

const deployed = async (test: Test) => {
  const s = new SmallSysroot()
  test.teardown(() => s.remove())
  await s.version('1', { a: '1' })
  await deploy(s.sysroot, { revision: 'os' })
  const [first] = s.deployments
  if (first === undefined) throw new Error('there is no deployment')
  return { s, first }
}

t.test('what was read stays as it was until it is read again', async test => {
  const { s, first } = await deployed(test)
  const seen = new Sysroot(s.repository, s.paths)
  test.equal(seen.state.deployments[0]?.isPinned, false)
  const record = seen.recordOf(first)
  await setPinned(s.sysroot, 0, true)
  test.equal(seen.state.deployments[0]?.isPinned, false, 'of one moment')
  const file = join(s.paths.deploy, deploymentName(first), 'deployment.json')
  renameSync(file, `${file}.gone`)
  test.equal(seen.recordOf(first), record)
  seen.refresh()
  test.equal(seen.state.deployments[0]?.isPinned, true)
  test.throws(() => seen.recordOf(first), { code: 'NOT_FOUND' })
  renameSync(`${file}.gone`, file)
  test.equal(s.sysroot.state.deployments[0]?.isPinned, true, 'after a change')
})

t.test('a commit is read once, and its damage each time', async test => {
  const { s, first } = await deployed(test)
  const seen = new Sysroot(s.repository, s.paths)
  const layout = seen.layoutOf(first)
  rmSync(join(s.repository.paths.root, 'commits', first.commit))
  test.equal(seen.layoutOf(first), layout)
  test.equal(seen.rootOf(first), layout.root)
  const late = new Sysroot(s.repository, s.paths)
  test.equal(late.rootOf(first), undefined, 'nothing to boot from')
  for (const time of ['once', 'again'])
    test.throws(() => late.layoutOf(first), { code: 'MISSING_OBJECT' }, time)
})

t.test('what runs is looked at once, and anew behind a lock', async test => {
  const { s, first } = await deployed(test)
  let looks = 0
  const running = (): Running => {
    looks++
    return new Map()
  }
  const seen = new Sysroot(s.repository, s.paths, { running })
  test.equal(seen.runningHere, undefined)
  test.equal(seen.running.size, 0)
  test.equal(looks, 1)
  await withTransaction(seen, undefined, async transaction => {
    test.equal(transaction.running.size, 0)
    test.equal(looks, 2, 'under the lock it is seen by itself')
    await transaction.lockLayer(first)
    test.equal(transaction.running.size, 0)
    test.equal(looks, 3, 'somebody may have entered until then')
    await transaction.lockLayer(first)
    test.equal(transaction.running.size, 0)
    test.equal(looks, 3, 'nobody can enter now')
  })
})

t.test('a deployment that is entered stays', async test => {
  const { s, first } = await deployed(test)
  const etc = { pid: 1, mountpoint: '/etc', device: '0:1', isUnlocked: false }
  s.pretendRunning(new Map([[deploymentName(first), etc]]))
  test.equal(s.sysroot.runningHere, undefined, 'in a namespace of its own')
  for (const version of ['2', '3']) {
    await s.version(version, { a: version })
    await deploy(s.sysroot, { revision: 'os', keep: 1 })
  }
  test.ok(
    s.deployments.some(id => deploymentName(id) === deploymentName(first)),
  )
})
