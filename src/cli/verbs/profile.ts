/** dendro profile */

import { chooseDeployment } from '../../deploy/etc-view.ts'
import { readProfile, recordProfile } from '../../machine/profile.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/profile.ts'
import { withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'
import { requireRoot } from '../../system/root-user.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, form }) => {
    await withSysroot(global, async sysroot => {
      const { os } = chooseDeployment(sysroot, undefined)
      if (form === 'show') {
        const objects = readProfile(sysroot.paths, os)
        if (global.json) printJson({ os, objects })
        else for (const hex of objects) print(hex)
        return
      }
      requireRoot('record a boot')
      const objects = await recordProfile(sysroot.repository, sysroot.paths, os)
      if (global.json) printJson({ os, objects })
      else print(`${objects} objects are read ahead at the next boot of ${os}`)
    })
  },
}
