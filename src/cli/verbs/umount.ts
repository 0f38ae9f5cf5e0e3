/** dendro umount */

import { unmountRepository } from '../../mount/unmounting.ts'
import { absolutePath } from '../../system/caller.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/umount.ts'
import { printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, operands, options }) => {
    const mountpoint = absolutePath(operands.directory)
    await unmountRepository(mountpoint, options.lazy)
    if (global.json) printJson({ unmounted: mountpoint })
  },
}
