/** dendro undeploy */

import { undeploy } from '../../deploy/switch.ts'
import { deploymentName, shortName } from '../../sysroot/sysroot.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { onWait, toIndex, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

const usage = 'undeploy N'

export const verb: Verb = {
  usage,
  summary:
    'remove a deployment; neither a running nor a pinned one\n\n' +
    'Its /etc stays in "dendro etc log", and "dendro undo" brings it back.',
  run: async context => {
    const parsed = parseVerb(context, usage, {}, [1, 1])
    const index = toIndex(parsed.positionals[0] as string, usage)
    await withSysroot(context.global, async sysroot => {
      const gone = await undeploy(sysroot, index, onWait)
      if (context.global.json) printJson({ removed: deploymentName(gone) })
      else print(`${shortName(gone)} is removed; dendro undo brings it back`)
    })
  },
}
