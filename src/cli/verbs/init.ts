/** dendro init */

import { textToDisplay } from '../../bytes/latin1.ts'
import { createRepository } from '../../store/layout.ts'
import { absolutePath } from '../../system/caller.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/init.ts'
import { repositoryPath } from '../shared/open-repository.ts'
import { noteDone, print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: ({ global, operands }) => {
    const directory = operands.directory ?? repositoryPath(global)
    const root = createRepository(absolutePath(directory))
    noteDone(`the repository was made: ${root}`)
    if (global.json) printJson({ repository: root })
    else print(textToDisplay(root))
  },
}
