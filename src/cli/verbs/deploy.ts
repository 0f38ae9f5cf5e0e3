/** dendro deploy */

import { deploy } from '../../deploy/deploy.ts'
import { remerge } from '../../deploy/remerge.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { printDeployed } from '../shared/deploy-output.ts'
import { onWait, optionalIndex, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

const usage =
  'deploy REV|VERSION [--os NAME] [--keep N]\n       dendro deploy --remerge'

export const verb: Verb = {
  usage,
  summary:
    'make a commit the default of the next boot, with /etc merged\n\n' +
    'VERSION is looked for in the history of the ref that was deployed last. Your\n' +
    'changes of /etc are carried over by a 3-way merge into the new deployment;\n' +
    'the running /etc is not touched. N deployments stay (3), besides the pinned\n' +
    'and the running one. --remerge merges what was changed in the running /etc\n' +
    'since into the pending deployment.',
  run: async context => {
    const parsed = parseVerb(
      context,
      usage,
      {
        os: { type: 'string' },
        keep: { type: 'string' },
        remerge: { type: 'boolean' },
      },
      [0, 1],
    )
    const [revision] = parsed.positionals
    const { json } = context.global
    await withSysroot(context.global, async sysroot => {
      if (parsed.flag('remerge')) {
        if (revision !== undefined)
          throw usageError('--remerge takes no REV', usage)
        const done = await remerge(sysroot, onWait)
        if (!('nothing' in done)) printDeployed(done, json)
        else if (json) printJson({ deployment: null, why: done.nothing })
        else print(`Nothing to merge: ${done.nothing}`)
        return
      }
      if (revision === undefined) throw usageError('too few arguments', usage)
      const keep = optionalIndex(parsed.string('keep'), usage)
      if (keep === 0) throw usageError('--keep is at least 1', usage)
      const os = parsed.string('os')
      printDeployed(await deploy(sysroot, { revision, os, keep, onWait }), json)
    })
  },
}
