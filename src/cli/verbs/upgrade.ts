/** dendro upgrade */

import { deploy } from '../../deploy/deploy.ts'
import { upgradeOf } from '../../deploy/plan-deploy.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { printDeployed } from '../shared/deploy-output.ts'
import { onWait, optionalIndex, withSysroot } from '../shared/open-sysroot.ts'

const usage = 'upgrade [--keep N]'

export const verb: Verb = {
  usage,
  summary:
    'deploy the newest commit of the ref that was deployed last\n\n' +
    'Exit status 77 when that commit is deployed already.',
  run: async context => {
    const options = { keep: { type: 'string' } } as const
    const parsed = parseVerb(context, usage, options, [0, 0])
    const keep = optionalIndex(parsed.string('keep'), usage)
    if (keep === 0) throw usageError('--keep is at least 1', usage)
    await withSysroot(context.global, async sysroot => {
      const revision = upgradeOf(sysroot)
      printDeployed(
        await deploy(sysroot, { revision, keep, onWait }),
        context.global.json,
      )
    })
  },
}
