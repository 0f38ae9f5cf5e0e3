/** dendro rollback */

import { deploymentName, shortName } from '../../sysroot/sysroot.ts'
import { rollback } from '../../deploy/switch.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/rollback.ts'
import { onWait, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, operands }) => {
    const index = operands.deployment
    await withSysroot(global, async sysroot => {
      const chosen = await rollback(sysroot, index, onWait)
      if (global.json) {
        printJson({ deployment: deploymentName(chosen) })
        return
      }
      print(
        'Transaction complete; bootconfig swap: yes; deployment count change: 0',
      )
      print(`The default is ${shortName(chosen)}`)
      print('Run "systemctl reboot" to start into it')
    })
  },
}
