/** dendro pin */

import { setPinned } from '../../deploy/switch.ts'
import { deploymentName, shortName } from '../../sysroot/sysroot.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/pin.ts'
import { onWait, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, operands }) => {
    const index = operands.deployment
    await withSysroot(global, async sysroot => {
      const chosen = await setPinned(sysroot, index, true, onWait)
      if (global.json)
        printJson({ deployment: deploymentName(chosen), pinned: true })
      else print(`${shortName(chosen)} is pinned`)
    })
  },
}
