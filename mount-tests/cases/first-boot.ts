/** The first boot of a tree that has the same times everywhere, by systemd. */

import assert from 'node:assert/strict'
import { lstatSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { addStep, bootContainer } from '../container.ts'
import { DENDRO, list, TestContext } from '../context.ts'
import type { TestTable } from '../context.ts'
import { deploymentsOf } from '../machine-store.ts'

const FIXTURES = process.env['DENDRO_FIXTURES'] ?? '/var/tmp/dendro-fixtures'
const PAIR = join(FIXTURES, 'pair')
const MAKE_PAIR = new URL(
  '../../../scripts/testing/make-release-pair',
  import.meta.url,
).pathname
/** Empty in a new system, all of them. */
const EMPTY = ['environment', 'machine-id', 'subgid', 'subuid']
const STEP = `cd /etc; wc -c ${EMPTY.join(' ')}; stat -c %h ${EMPTY.join(' ')}; systemctl --failed --no-legend --plain`

/**
 * Whether systemd made users at this boot, and would update /var; then what
 * systemd-update-done.service does.
 */
const UPDATE_STEP =
  'systemctl show -P ConditionResult systemd-sysusers.service; systemd-analyze condition ConditionNeedsUpdate=/var >/dev/null 2>&1 && echo var; touch -r /usr /etc/.updated /var/.updated'

export const tests: TestTable = {
  'the machine id is written to /etc/machine-id alone': t => {
    t.run(MAKE_PAIR, [PAIR])
    const tree = join(PAIR, 'old')
    for (const name of EMPTY)
      assert.equal(lstatSync(join(tree, 'etc', name)).size, 0, name)
    // On a disk: the layer of /etc is that of a machine.
    const made = new TestContext(mkdtempSync(join(FIXTURES, 'first-boot-')))
    try {
      const { directory: sysroot, repository } = made
      made.dendro('init')
      made.commit('debian', tree, '--mtime=clamp=1000000000')
      made.run(DENDRO, ['--sysroot', sysroot, 'deploy', 'debian'])
      const [name] = deploymentsOf(made, sysroot, repository)
      const layer = join(sysroot, 'dendro/deploy', name as string, 'etc/upper')
      addStep(layer, STEP)
      made.sh('echo 3 > /proc/sys/vm/drop_caches')
      const told = bootContainer(t, sysroot, repository)
      assert.match(
        told,
        /^ *0 environment\n *33 machine-id\n *0 subgid\n *0 subuid\n/,
      )
      assert.match(told, /total\n1\n1\n1\n1\nend\n$/)
      assert.match(
        readFileSync(join(layer, 'machine-id'), 'utf8'),
        /^[0-9a-f]{32}\n$/,
      )
      for (const empty of EMPTY)
        if (empty !== 'machine-id')
          assert.ok(!list(layer).includes(empty), empty)
      // Another boot is the same machine.
      const id = readFileSync(join(layer, 'machine-id'), 'utf8')
      assert.match(bootContainer(t, sysroot, repository), /\b33 machine-id\n/)
      assert.equal(readFileSync(join(layer, 'machine-id'), 'utf8'), id)
    } finally {
      made.cleanUp()
      rmSync(made.directory, { recursive: true, force: true })
    }
  },
  'each version is updated once, also where all times are the same': t => {
    t.run(MAKE_PAIR, [PAIR])
    const made = new TestContext(mkdtempSync(join(FIXTURES, 'update-')))
    try {
      const { directory: sysroot, repository } = made
      const deploy = (version: string) => {
        const commit = ['commit', '-b', 'debian', '--version', version]
        made.dendro(...commit, '--mtime=clamp=1000000000', join(PAIR, 'old'))
        made.run(DENDRO, ['--sysroot', sysroot, 'deploy', 'debian'])
      }
      made.dendro('init')
      deploy('1')
      const [name] = deploymentsOf(made, sysroot, repository)
      const layer = join(sysroot, 'dendro/deploy', name as string, 'etc/upper')
      addStep(layer, UPDATE_STEP)
      const updated = () => bootContainer(t, sysroot, repository)
      assert.equal(updated(), 'yes\nvar\nend\n')
      assert.equal(updated(), 'no\nend\n', 'a second boot')
      // The same /usr to the last time, and yet another version.
      deploy('2')
      assert.equal(updated(), 'yes\nvar\nend\n')
      assert.equal(updated(), 'no\nend\n')
    } finally {
      made.cleanUp()
      rmSync(made.directory, { recursive: true, force: true })
    }
  },
}
