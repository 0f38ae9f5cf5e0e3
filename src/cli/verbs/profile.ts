/** dendro profile */

import { chooseDeployment } from '../../deploy/etc-view.ts'
import { readProfile, recordProfile } from '../../machine/profile.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'
import { requireRoot } from '../../system/root-user.ts'

const usage = 'profile record|show'

export const verb: Verb = {
  usage,
  summary:
    'keep what this boot read, for the next one\n\n' +
    'record: writes down the objects that were read since the machine began to\n' +
    'boot. The next boot has the disk read them in their order, in one go, while\n' +
    'it starts. dendro-boot-complete.service calls this. show: lists them.',
  run: async context => {
    const parsed = parseVerb(context, usage, {}, [1, 1])
    const [action] = parsed.positionals
    if (action !== 'record' && action !== 'show')
      throw usageError(`unknown action ${action}`, usage)
    await withSysroot(context.global, async sysroot => {
      const { os } = chooseDeployment(sysroot, undefined)
      if (action === 'show') {
        const objects = readProfile(sysroot.paths, os)
        if (context.global.json) printJson({ os, objects })
        else for (const hex of objects) print(hex)
        return
      }
      requireRoot('record a boot')
      const objects = await recordProfile(sysroot.repository, sysroot.paths, os)
      if (context.global.json) printJson({ os, objects })
      else print(`${objects} objects are read ahead at the next boot of ${os}`)
    })
  },
}
