/** dendro undo */

import { undo } from '../../deploy/undo.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { withReader } from '../shared/open-repository.ts'
import { onWait } from '../shared/open-sysroot.ts'
import { sysrootOf } from './op.ts'
import { print, printJson } from '../shared/output.ts'

const usage = 'undo [ID]'

export const verb: Verb = {
  usage,
  summary:
    'take back the last operation of "dendro op log", or the named one\n\n' +
    'One undo after the other goes back step by step. An undo is an operation too,\n' +
    'and can be undone by its id.',
  run: async context => {
    const parsed = parseVerb(context, usage, {}, [0, 1])
    await withReader(context.global, async repository => {
      const [id] = parsed.positionals
      const sysroot = sysrootOf(repository, context.global)
      const done = await undo(repository, sysroot, id, onWait)
      if (context.global.json) printJson({ done })
      else print(done)
    })
  },
}
