/** dendro refs */

import { textToDisplay } from '../../bytes/latin1.ts'
import { DendroError } from '../../errors.ts'
import { digestToHex } from '../../objects/digest.ts'
import { toRefName } from '../../refs/ref-name.ts'
import { RefStore } from '../../refs/ref-store.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { withRepository } from '../shared/open-repository.ts'
import { print, printJson } from '../shared/output.ts'

const usage = 'refs [PREFIX] [--tags] | refs --delete NAME [--tags]'

export const verb: Verb = {
  usage,
  summary: 'list refs (or tags) with the commits they name, or delete one',
  run: context => {
    const options = {
      tags: { type: 'boolean' },
      delete: { type: 'string', short: 'd' },
    } as const
    const parsed = parseVerb(context, usage, options, [0, 1])
    const kind = parsed.flag('tags') ? 'tags' : 'refs'
    const doomed = parsed.string('delete')
    return withRepository(context.global, async repository => {
      const store = new RefStore(repository.paths, kind)
      if (doomed !== undefined) {
        const name = toRefName(doomed)
        const isGone = await repository.publish([], () => store.remove(name))
        if (!isGone)
          throw new DendroError(
            'UNKNOWN_REVISION',
            `cannot delete ${doomed}: there is no such name in ${kind}`,
            {
              hint: 'dendro refs lists what there is',
            },
          )
        return
      }
      const found = store.list(parsed.positionals[0] ?? '')
      if (context.global.json)
        printJson(
          found.map(({ name, commit }) => ({
            name,
            commit: digestToHex(commit),
          })),
        )
      else
        for (const { name, commit } of found)
          print(`${digestToHex(commit)} ${textToDisplay(name)}`)
    })
  },
}
