/** What leaves is kept whole, however it leaves, and comes back whole. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { deploy } from './deploy.ts'
import { readRecord } from '../sysroot/deployment.ts'
import { ownPath, resolveConflict } from './etc-verbs.ts'
import { etcLog } from './etc-view.ts'
import { changeKernelArguments } from './kernel-arguments.ts'
import { remerge } from './remerge.ts'
import { SmallSysroot } from '../sysroot/small-sysroot.ts'
import { rollback, setPinned, undeploy } from './switch.ts'
import { deploymentName, deploymentPath } from '../sysroot/sysroot.ts'
import { listOperations, undo } from './undo.ts'

/** Every file of a directory with what is in it, the work directory left out. */
const whole = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort()
    .map(path => `${path}: ${readFileSync(path, 'utf8')}`)

/** Two deployments; the newer has conflicts, one of them settled, and more. */
const used = async (t: Test) => {
  const s = new SmallSysroot()
  t.teardown(() => s.remove())
  const { repository, paths, sysroot } = s
  await s.version('1', { a: '1', b: '1', c: '1' })
  await deploy(sysroot, { revision: 'os' })
  s.edit({ a: 'mine', b: 'mine' })
  await s.version('2', { a: '2', b: '2' })
  await deploy(sysroot, { revision: 'os' })
  await resolveConflict(sysroot, 'a', 'theirs')
  await ownPath(sysroot, 'c', true)
  const change = { append: ['quiet'], delete: [], replace: [] }
  await changeKernelArguments(sysroot, 0, change)
  s.edit({ precious: 'precious' })
  const [first] = s.deployments
  if (first === undefined) throw new Error('there is no deployment')
  const seen = () => {
    const index = s.deployments.findIndex(
      id => deploymentName(id) === deploymentName(first),
    )
    return index < 0
      ? undefined
      : { ...s.deployments[index], files: whole(deploymentPath(paths, first)) }
  }
  return {
    s,
    repository,
    paths,
    sysroot,
    first,
    seen,
    undo: () => undo(repository, sysroot, undefined),
  }
}

const LEAVE: Readonly<
  Record<string, (u: Awaited<ReturnType<typeof used>>) => Promise<unknown>>
> = {
  undeployed: ({ sysroot }) => undeploy(sysroot, 0),
  replaced: async ({ s, sysroot }) => {
    s.edit({ late: 'late' }, 1)
    await remerge(sysroot)
  },
  'dropped by --keep': async ({ s, sysroot }) => {
    // The other one is carried on, since it is the default.
    await rollback(sysroot, 1)
    await s.version('3')
    await deploy(sysroot, { revision: 'os', keep: 1 })
  },
}

for (const [name, leave] of Object.entries(LEAVE))
  t.test(
    `${name}: it is in the history, and undo brings all of it back`,
    async t => {
      const u = await used(t)
      const before = u.seen()
      t.match(before?.files.join('\n'), /precious: precious/)
      t.match(readRecord(u.paths, u.first), {
        origin: 'os',
        conflicts: [{ path: 'b' }],
        settled: [{ path: 'a' }],
        owned: ['c'],
      })
      await leave(u)
      t.equal(u.seen(), undefined, 'it has left')
      const [last] = etcLog(u.sysroot, 'os').filter(
        ({ deployment }) => deployment === deploymentName(u.first),
      )
      t.match(last?.subject, /leaves$/, 'with what was in its /etc')
      await u.undo()
      t.same(u.seen(), before)
    },
  )

t.test('undone: an undo of an undo brings it back as well', async t => {
  const u = await used(t)
  await setPinned(u.sysroot, 0, true)
  const before = u.seen()
  // Pin, arguments, own and settle go one by one, then the deploy.
  for (let i = 0; i < 5; i++) await u.undo()
  t.equal(u.seen(), undefined)
  t.equal(before?.isPinned, true)
  const { s } = u
  t.equal(s.deployments.length, 1)
  await undo(u.repository, u.sysroot, lastOf(u))
  t.match(u.seen()?.files.join('\n'), /precious: precious/)
})

const lastOf = ({ repository, sysroot }: Awaited<ReturnType<typeof used>>) =>
  listOperations(repository, sysroot)[0]?.id
