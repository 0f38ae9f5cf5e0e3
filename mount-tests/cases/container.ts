/** A container whose root is served comes up as on a disk, with cold caches. */

import assert from 'node:assert/strict'
import { addStep, bootContainer, bootTree } from '../container.ts'
import { DENDRO } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { deploymentsOf, machineStore } from '../machine-store.ts'
import { dropCaches } from '../served-tree.ts'

/** Every second one with warm caches; 50 of each in scripts/soak. */
const BOOTS = Number(process.env['CONTAINER_BOOTS'] ?? 3)
/** The root directory of a system with services, instead of a small one. */
const TREE = process.env['CONTAINER_TREE']

/** The repository with the ref `machine`. */
const repositoryOf = (t: TestContext): string => {
  if (TREE === undefined) return machineStore(t).repository
  t.dendro('init')
  t.commit('machine', TREE)
  return t.repository
}

/** Mounts and devices are those of the root, which differs. */
const UNITS = `
while systemctl list-jobs --no-legend | grep -v step.service | grep -q service; do sleep 0.1; done
systemctl list-units --all --no-legend --plain --full --type=service,target,socket,timer,path | sort
systemctl --failed --no-legend --plain`

export const tests: TestTable = {
  'systemd boots it again and again, and its units are those of a tree on a disk':
    t => {
      const repository = repositoryOf(t)
      const env = { DENDRO_REPO: repository }
      const sysroot = t.makeDirectory('sysroot')
      const script = UNITS.trim().replaceAll('\n', '; ')
      t.run(DENDRO, ['--sysroot', sysroot, 'deploy', 'machine'], { env })
      const [name] = deploymentsOf(t, sysroot, repository)
      addStep(`${sysroot}/dendro/deploy/${name}/etc/upper`, script)
      const tree = t.path('tree')
      t.run(DENDRO, ['checkout', 'machine', tree], { env })
      addStep(`${tree}/etc`, script)
      for (let i = 0; i < BOOTS; i++) {
        if (i % 2 === 0) dropCaches()
        const expected = bootTree(t, tree)
        assert.match(expected, /^multi-user.target +loaded +\S+ +\S+/m)
        if (i % 2 === 0) dropCaches()
        assert.equal(bootContainer(t, sysroot, repository), expected)
      }
    },
}
