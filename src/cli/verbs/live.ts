/** dendro live */

import { lockUsr, unlockUsr } from '../../root/live.ts'
import {
  findRunningLayers,
  runningByName,
  runningHere,
} from '../../sysroot/running.ts'
import { readSysroot, sysrootPaths } from '../../sysroot/sysroot.ts'
import { DendroError } from '../../errors.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { print, printJson } from '../shared/output.ts'

const usage = 'live unlock|lock'

export const verb: Verb = {
  usage,
  summary:
    'make /usr of the running deployment writable until the next boot\n\n' +
    'What is written goes to a layer in memory and is thrown away; "lock" throws\n' +
    'it away now.',
  run: context => {
    const parsed = parseVerb(context, usage, {}, [1, 1])
    const [action] = parsed.positionals
    const paths = sysrootPaths(context.global.sysroot)
    const running = runningHere(
      readSysroot(paths).deployments,
      runningByName(paths, findRunningLayers()),
    )
    if (action !== 'unlock' && action !== 'lock')
      throw usageError(`unknown action ${action}`, usage)
    if (running === undefined)
      throw new DendroError('NO_DEPLOYMENT', 'no deployment runs here', {
        hint: 'boot one, or put one together with dendro root assemble',
      })
    const usr =
      action === 'unlock' ? unlockUsr(paths, running) : lockUsr(paths, running)
    if (context.global.json) printJson({ usr, unlocked: action === 'unlock' })
    else if (action === 'unlock')
      print(`${usr} is writable until the next boot; nothing of it is kept`)
    else print(`${usr} is read-only again`)
  },
}
