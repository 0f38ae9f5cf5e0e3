/** dendro tag */

import { DendroError } from '../../errors.ts'
import { digestToHex } from '../../objects/digest.ts'
import { toRefName } from '../../refs/ref-name.ts'
import { RefStore } from '../../refs/ref-store.ts'
import { resolveRevision } from '../../refs/revision.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { withRepository } from '../shared/open-repository.ts'
import { printJson } from '../shared/output.ts'

const usage = 'tag NAME REV [--force]'

export const verb: Verb = {
  usage,
  summary: 'give a commit a name that stays; --force moves it all the same',
  run: context => {
    const options = { force: { type: 'boolean', short: 'f' } } as const
    const parsed = parseVerb(context, usage, options, [2, 2])
    const name = toRefName(parsed.positionals[0] as string)
    return withRepository(context.global, async repository => {
      const commit = resolveRevision(
        repository,
        parsed.positionals[1] as string,
      )
      const tags = new RefStore(repository.paths, 'tags')
      await repository.publish([], () => {
        // It may have been pruned since it was looked up.
        repository.commits.load(commit)
        const before = tags.get(name)
        if (before !== undefined && before !== commit && !parsed.flag('force'))
          throw new DendroError(
            'TAG_EXISTS',
            `cannot tag ${name}: it names commit ${digestToHex(before)}`,
            {
              hint: 'choose another name, or move it with --force',
            },
          )
        tags.set(name, commit)
      })
      if (context.global.json)
        printJson({ tag: name, commit: digestToHex(commit) })
    })
  },
}
