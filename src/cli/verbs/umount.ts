/** dendro umount */

import { unmountRepository } from '../../mount/unmounting.ts'
import { absolutePath } from '../../system/caller.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { printJson } from '../shared/output.ts'

const usage = 'umount DIR [--lazy]'

export const verb: Verb = {
  usage,
  summary:
    'unmount what is mounted at DIR; the server ends with its last mount',
  run: async context => {
    const options = { lazy: { type: 'boolean', short: 'l' } } as const
    const parsed = parseVerb(context, usage, options, [1, 1])
    const mountpoint = absolutePath(parsed.positionals[0] as string)
    await unmountRepository(mountpoint, parsed.flag('lazy'))
    if (context.global.json) printJson({ unmounted: mountpoint })
  },
}
