/** dendro unpin */

import { setPinned } from '../../deploy/switch.ts'
import { deploymentName, shortName } from '../../sysroot/sysroot.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { onWait, toIndex, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

const usage = 'unpin N'

export const verb: Verb = {
  usage,
  summary: 'let a pinned deployment go like the others',
  run: async context => {
    const parsed = parseVerb(context, usage, {}, [1, 1])
    const index = toIndex(parsed.positionals[0] as string, usage)
    await withSysroot(context.global, async sysroot => {
      const chosen = await setPinned(sysroot, index, false, onWait)
      if (context.global.json)
        printJson({ deployment: deploymentName(chosen), pinned: false })
      else print(`${shortName(chosen)} is unpinned`)
    })
  },
}
