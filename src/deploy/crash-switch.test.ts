/** A change of the list that is cut short: see crash-points.ts. */

import t from 'tap'
import { testCrashPoints, upgrade } from './crash-points.ts'
import { rollback, undeploy } from './switch.ts'
import { undo } from './undo.ts'

await testCrashPoints(t, [
  {
    name: 'rollback',
    prepare: upgrade,
    run: sysroot => rollback(sysroot, undefined),
  },
  {
    name: 'undeploy',
    prepare: upgrade,
    run: sysroot => undeploy(sysroot, 1),
  },
  {
    name: 'undo of an undeploy',
    prepare: async sysroot => {
      await upgrade(sysroot)
      await undeploy(sysroot, 1)
    },
    run: sysroot => undo(sysroot.repository, sysroot, undefined),
  },
])
