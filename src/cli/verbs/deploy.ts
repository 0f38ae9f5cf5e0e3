/** dendro deploy */

import { deploy } from '../../deploy/deploy.ts'
import { remerge } from '../../deploy/remerge.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/deploy.ts'
import { printDeployed } from '../shared/deploy-output.ts'
import { onWait, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async invocation => {
    const { global, options } = invocation
    const { json } = global
    await withSysroot(global, async sysroot => {
      if (invocation.form === 'remerge') {
        const done = await remerge(sysroot, onWait)
        if (!('nothing' in done)) printDeployed(done, json)
        else if (json) printJson({ deployment: null, why: done.nothing })
        else print(`Nothing to merge: ${done.nothing}`)
        return
      }
      const { revision } = invocation.operands
      printDeployed(
        await deploy(sysroot, {
          revision,
          os: options.os,
          keep: options.keep,
          onWait,
        }),
        json,
      )
    })
  },
}
