/** dendro undo */

import { undo } from '../../deploy/undo.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/undo.ts'
import { withReader } from '../shared/open-repository.ts'
import { onWait } from '../shared/open-sysroot.ts'
import { sysrootOf } from './op.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, operands }) => {
    await withReader(global, async repository => {
      const sysroot = sysrootOf(repository, global)
      const done = await undo(repository, sysroot, operands.id, onWait)
      if (global.json) printJson({ done })
      else print(done)
    })
  },
}
