/** dendro boot-complete */

import { deploymentName, shortName } from '../../sysroot/sysroot.ts'
import { confirmBoot } from '../../machine/confirm-boot.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/boot-complete.ts'
import { onWait, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'
import { requireRoot } from '../../system/root-user.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global }) => {
    requireRoot('confirm a boot')
    await withSysroot(global, async sysroot => {
      const { deployment, fellBack } = await confirmBoot(sysroot, onWait)
      if (global.json)
        printJson({ deployment: deploymentName(deployment), fellBack })
      else {
        print(`${shortName(deployment)} has booted`)
        for (const line of fellBack) print(`not booted: ${line}`)
      }
    })
  },
}
