/** dendro init */

import { textToDisplay } from '../../bytes/latin1.ts'
import { createRepository } from '../../store/layout.ts'
import { absolutePath } from '../../system/caller.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { repositoryPath } from '../shared/open-repository.ts'
import { noteDone, print, printJson } from '../shared/output.ts'

const usage = 'init [DIR]'

export const verb: Verb = {
  usage,
  summary: 'make an empty repository in DIR (or where --repo says)',
  run: context => {
    const parsed = parseVerb(context, usage, {}, [0, 1])
    const directory = parsed.positionals[0] ?? repositoryPath(context.global)
    const root = createRepository(absolutePath(directory))
    noteDone(`the repository was made: ${root}`)
    if (context.global.json) printJson({ repository: root })
    else print(textToDisplay(root))
  },
}
