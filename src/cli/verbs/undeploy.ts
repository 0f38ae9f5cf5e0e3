/** dendro undeploy */

import { undeploy } from '../../deploy/switch.ts'
import { deploymentName, shortName } from '../../sysroot/sysroot.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/undeploy.ts'
import { onWait, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, operands }) => {
    const index = operands.deployment
    await withSysroot(global, async sysroot => {
      const gone = await undeploy(sysroot, index, onWait)
      if (global.json) printJson({ removed: deploymentName(gone) })
      else print(`${shortName(gone)} is removed; dendro undo brings it back`)
    })
  },
}
