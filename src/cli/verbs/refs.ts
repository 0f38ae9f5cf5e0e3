/** dendro refs */

import { textToDisplay } from '../../bytes/latin1.ts'
import { DendroError } from '../../errors.ts'
import { digestToHex } from '../../objects/digest.ts'
import { toRefName } from '../../refs/ref-name.ts'
import { RefStore } from '../../refs/ref-store.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/refs.ts'
import { withRepository } from '../shared/open-repository.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: invocation => {
    const { global, options } = invocation
    const kind = options.tags ? 'tags' : 'refs'
    const doomed = options.delete
    return withRepository(global, async repository => {
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
      const prefix =
        invocation.form === 'plain' ? invocation.operands.prefix : undefined
      const found = store.list(prefix ?? '')
      if (global.json)
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
