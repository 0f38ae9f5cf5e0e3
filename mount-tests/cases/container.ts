/** A container whose root is served comes up as on a disk, with cold caches. */

import assert from 'node:assert/strict'
import { addStep, bootContainer, bootTree } from '../container.ts'
import { DENDRO } from '../context.ts'
import type { TestTable } from '../context.ts'
import { deploymentsOf, machineStore } from '../machine-store.ts'
import { dropCaches } from '../served-tree.ts'

const BOOTS = 3
/** Mounts and devices are those of the root, which differs. */
const UNITS = `
while systemctl list-jobs --no-legend | grep -v step.service | grep -q service; do sleep 0.1; done
systemctl list-units --all --no-legend --plain --full --type=service,target,socket,timer,path | sort
systemctl --failed --no-legend --plain`

export const tests: TestTable = {
  'systemd boots it three times, and its units are those of the tree on a disk':
    t => {
      const { repository } = machineStore(t)
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
        dropCaches()
        const expected = bootTree(t, tree)
        assert.match(expected, /^multi-user.target +loaded +\S+ +\S+/m)
        dropCaches()
        assert.equal(bootContainer(t, sysroot, repository), expected)
      }
    },
}
