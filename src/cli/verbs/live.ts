/** dendro live */

import { lockUsr, unlockUsr } from '../../root/live.ts'
import {
  findRunningLayers,
  runningByName,
  runningHere,
} from '../../sysroot/running.ts'
import { readSysroot, sysrootPaths } from '../../sysroot/sysroot.ts'
import { DendroError } from '../../errors.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/live.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: ({ global, form }) => {
    const paths = sysrootPaths(global.sysroot)
    const running = runningHere(
      readSysroot(paths).deployments,
      runningByName(paths, findRunningLayers()),
    )
    if (running === undefined)
      throw new DendroError('NO_DEPLOYMENT', 'no deployment runs here', {
        hint: 'boot one, or put one together with dendro root assemble',
      })
    const usr =
      form === 'unlock' ? unlockUsr(paths, running) : lockUsr(paths, running)
    if (global.json) printJson({ usr, unlocked: form === 'unlock' })
    else if (form === 'unlock')
      print(`${usr} is writable until the next boot; nothing of it is kept`)
    else print(`${usr} is read-only again`)
  },
}
