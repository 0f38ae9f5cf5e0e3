/** A deploy that is cut short: see crash-points.ts. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { testCrashPoints, upgrade } from './crash-points.ts'
import { deploy } from './deploy.ts'

await testCrashPoints(t, [
  { name: 'deploy', run: upgrade },
  {
    name: 'deploy that drops a used one',
    prepare: async sysroot => {
      await upgrade(sysroot)
      await upgrade(sysroot)
      const [, old] = sysroot.state.deployments
      if (old !== undefined)
        writeFileSync(join(sysroot.layerOf(old), 'used'), 'used\n')
    },
    run: sysroot => deploy(sysroot, { revision: 'os', keep: 1 }),
  },
])
