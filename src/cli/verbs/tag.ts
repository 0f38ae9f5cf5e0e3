/** dendro tag */

import { DendroError } from '../../errors.ts'
import { digestToHex } from '../../objects/digest.ts'
import { toRefName } from '../../refs/ref-name.ts'
import { RefStore } from '../../refs/ref-store.ts'
import { resolveRevision } from '../../refs/revision.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/tag.ts'
import { withRepository } from '../shared/open-repository.ts'
import { printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: ({ global, operands, options }) => {
    const name = toRefName(operands.tag)
    return withRepository(global, async repository => {
      const commit = resolveRevision(repository, operands.revision)
      const tags = new RefStore(repository.paths, 'tags')
      await repository.publish([], () => {
        // It may have been pruned since it was looked up.
        repository.commits.load(commit)
        const before = tags.get(name)
        if (before !== undefined && before !== commit && !options.force)
          throw new DendroError(
            'TAG_EXISTS',
            `cannot tag ${name}: it names commit ${digestToHex(before)}`,
            {
              hint: 'choose another name, or move it with --force',
            },
          )
        tags.set(name, commit)
      })
      if (global.json) printJson({ tag: name, commit: digestToHex(commit) })
    })
  },
}
