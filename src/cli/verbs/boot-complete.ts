/** dendro boot-complete */

import { deploymentName, shortName } from '../../sysroot/sysroot.ts'
import { confirmBoot } from '../../machine/confirm-boot.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { onWait, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'
import { requireRoot } from '../../system/root-user.ts'

const usage = 'boot-complete'

export const verb: Verb = {
  usage,
  summary:
    'say that the deployment that runs has booted well\n\n' +
    'The initramfs counts the boots of a deployment that nobody confirms; after\n' +
    'three it takes the next one. A deployment that runs in the place of another\n' +
    'becomes the default. dendro-boot-complete.service calls this.',
  run: async context => {
    parseVerb(context, usage, {}, [0, 0])
    requireRoot('confirm a boot')
    await withSysroot(context.global, async sysroot => {
      const { deployment, fellBack } = await confirmBoot(sysroot, onWait)
      if (context.global.json)
        printJson({ deployment: deploymentName(deployment), fellBack })
      else {
        print(`${shortName(deployment)} has booted`)
        for (const line of fellBack) print(`not booted: ${line}`)
      }
    })
  },
}
