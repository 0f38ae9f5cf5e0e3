/** dendro rollback */

import { deploymentName, shortName } from '../../sysroot/sysroot.ts'
import { rollback } from '../../deploy/switch.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { onWait, optionalIndex, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

const usage = 'rollback [N]'

export const verb: Verb = {
  usage,
  summary:
    'make the deployment before, or number N of status, the default again\n\n' +
    'Its /etc is as it was, to the byte.',
  run: async context => {
    const parsed = parseVerb(context, usage, {}, [0, 1])
    const index = optionalIndex(parsed.positionals[0], usage)
    await withSysroot(context.global, async sysroot => {
      const chosen = await rollback(sysroot, index, onWait)
      if (context.global.json) {
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
