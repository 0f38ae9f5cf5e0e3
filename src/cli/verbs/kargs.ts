/** dendro kargs */

import { changeKernelArguments } from '../../deploy/kernel-arguments.ts'
import { deploymentAt } from '../../deploy/switch.ts'
import { deploymentName } from '../../sysroot/sysroot.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/kargs.ts'
import { onWait, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, operands, options }) => {
    const index = operands.deployment ?? 0
    const change = {
      append: options.append,
      delete: options.delete,
      replace: options.replace,
    }
    const isChange = Object.values(change).some(list => list.length > 0)
    await withSysroot(global, async sysroot => {
      const deployment = isChange
        ? await changeKernelArguments(sysroot, index, change, onWait)
        : deploymentAt(sysroot.state, index)
      const words = deployment.kernelArguments ?? []
      if (global.json)
        printJson({
          deployment: deploymentName(deployment),
          kernelArguments: words,
        })
      else print(words.join(' '))
    })
  },
}
