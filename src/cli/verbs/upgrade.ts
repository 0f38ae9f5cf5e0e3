/** dendro upgrade */

import { deploy } from '../../deploy/deploy.ts'
import { upgradeOf } from '../../deploy/plan-deploy.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/upgrade.ts'
import { printDeployed } from '../shared/deploy-output.ts'
import { onWait, withSysroot } from '../shared/open-sysroot.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, options }) => {
    await withSysroot(global, async sysroot => {
      const revision = upgradeOf(sysroot)
      printDeployed(
        await deploy(sysroot, {
          revision,
          keep: options.keep,
          onWait,
        }),
        global.json,
      )
    })
  },
}
