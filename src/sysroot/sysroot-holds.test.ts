/** Whose holds they are: of sysroots that are copied, moved, or older. */

import { cpSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { digestToHex } from '../objects/digest.ts'
import { listHolds, setHold } from '../store/holds.ts'
import { Repository } from '../store/repository.ts'
import { deploy } from '../deploy/deploy.ts'
import { createInstance, removeInstance } from '../root/instances.ts'
import { Sysroot } from './session.ts'
import { SmallSysroot } from './small-sysroot.ts'
import { setPinned, undeploy } from '../deploy/switch.ts'
import { commitOf, readSysroot, sysrootPaths } from './sysroot.ts'
import type { ListedDeployment, SysrootPaths } from './sysroot.ts'

const heldOf = (repository: Repository): string[] =>
  listHolds(repository.paths)
    .map(({ commit }) => digestToHex(commit))
    .sort()

/** Two deployments; the later is the first. */
const twoDeployed = async (test: Test): Promise<SmallSysroot> => {
  const s = new SmallSysroot()
  test.teardown(() => s.remove())
  for (const version of ['1', '2']) {
    await s.version(version, { a: `${version}\n` })
    await deploy(s.sysroot, { revision: 'os', os: 'os' })
  }
  return s
}

const copyOf = (s: SmallSysroot): SysrootPaths => {
  const root = join(s.directory, 'copy')
  cpSync(s.paths.root, root, { recursive: true, verbatimSymlinks: true })
  return sysrootPaths(root)
}

/** Names a hold of a deployment as older programs did. */
const olderHold = (s: SmallSysroot, id: ListedDeployment): string =>
  `${readSysroot(s.paths).id}.${id.os}.${id.commit}.${id.serial}`

void t.test('a copy drops its own hold alone', async test => {
  const s = await twoDeployed(test)
  const copy = copyOf(s)
  const old = s.deployments[1]?.commit as string
  await undeploy(new Sysroot(s.repository, copy), 1)
  test.ok(heldOf(s.repository).includes(old), 'that of the original stays')
  await undeploy(s.sysroot, 1)
  test.notOk(heldOf(s.repository).includes(old), 'and goes with its own')
  // Those that the copy is made of go on.
  const [first] = s.deployments
  test.same(heldOf(s.repository), [first?.commit, first?.commit])
})

void t.test('holds of older programs', async test => {
  const s = await twoDeployed(test)
  const [first, second] = s.deployments as [ListedDeployment, ListedDeployment]
  for (const id of [first, second])
    setHold(s.repository.paths, olderHold(s, id), commitOf(id))
  const copy = copyOf(s)
  await undeploy(new Sysroot(s.repository, copy), 1)
  const names = () => listHolds(s.repository.paths).map(({ name }) => name)
  test.ok(names().includes(olderHold(s, second)), 'no proof that it is its own')
  await setPinned(s.sysroot, 0, true)
  test.notOk(
    names().includes(olderHold(s, second)),
    'renewed under its numbers',
  )
  test.ok(heldOf(s.repository).includes(second.commit))
})

void t.test('what is moved keeps its holds', async test => {
  const s = await twoDeployed(test)
  const shared = join(s.directory, 'shared')
  cpSync(s.paths.repository, shared, { recursive: true })
  const repository = Repository.open(shared)
  test.teardown(() => repository.close())
  const sysroot = new Sysroot(repository, s.paths)
  await setPinned(sysroot, 0, true)
  const { commit } = s.deployments[1] as ListedDeployment
  const id = commitOf(s.deployments[1] as ListedDeployment)
  createInstance(sysroot, 'one', id)
  const older = `instance.${Buffer.from(s.paths.instances).toString('base64url')}.two`
  createInstance(sysroot, 'two', id)
  await removeInstance(sysroot, 'two')
  const before = heldOf(repository)
  const root = join(s.directory, 'moved')
  renameSync(s.paths.root, root)
  const moved = sysrootPaths(root)
  await setPinned(new Sysroot(repository, moved), 0, false)
  test.same(heldOf(repository), before)
  await undeploy(new Sysroot(repository, moved), 1)
  test.ok(heldOf(repository).includes(commit), 'the instance needs it')
  setHold(repository.paths, older, id)
  await removeInstance(new Sysroot(repository, moved), 'one')
  const left = listHolds(repository.paths).filter(({ name }) =>
    name.startsWith('instance.'),
  )
  // It was made at another path: nobody can tell whose it is.
  test.same(
    left.map(({ name }) => name),
    [older],
  )
  mkdirSync(s.paths.root)
})
