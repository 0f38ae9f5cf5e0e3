/** A change of an /etc that is cut short: see crash-points.ts. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { testCrashPoints, upgrade } from './crash-points.ts'
import { resetEtc } from './etc-verbs.ts'
import { remerge } from './remerge.ts'

await testCrashPoints(t, [
  {
    name: 'merge again into what was prepared',
    prepare: async sysroot => {
      await upgrade(sysroot)
      const [waiting, old] = sysroot.state.deployments
      if (waiting === undefined || old === undefined) return
      writeFileSync(join(sysroot.layerOf(waiting), 'prepared'), 'mine\n')
      writeFileSync(join(sysroot.layerOf(old), 'late'), 'late\n')
    },
    run: sysroot => remerge(sysroot),
  },
  {
    name: 'etc reset',
    run: sysroot => resetEtc(sysroot, { paths: [], keep: [] }),
  },
])
