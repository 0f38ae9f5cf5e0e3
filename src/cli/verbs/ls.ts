/** dendro ls */

import { latin1ToDisplay, textToLatin1 } from '../../bytes/latin1.ts'
import type { FsObject } from '../../objects/fs-object.ts'
import { requirePath, splitPath } from '../../tree/lookup.ts'
import { walkTree } from '../../tree/walk.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/ls.ts'
import { longLine, objectToJson } from '../shared/describe.ts'
import { loadRevision, withReader } from '../shared/open-repository.ts'
import { print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: ({ global, operands, options }) => {
    const { revision, path = '' } = operands
    return withReader(global, repository => {
      const { commit } = loadRevision(repository, revision)
      const start = requirePath(repository, commit.root, textToLatin1(path))
      const json: unknown[] = []
      const show = (name: string, object: FsObject): void => {
        if (global.json) json.push(objectToJson(name, object))
        else if (options.long) print(longLine(name, object))
        else print(latin1ToDisplay(name))
      }
      if (start.kind !== 'directory')
        show(splitPath(textToLatin1(path)).at(-1) ?? '.', start)
      else
        for (const { path: name, object } of walkTree(
          repository,
          start,
          options.recursive,
        ))
          show(name, object)
      if (global.json) printJson(json)
    })
  },
}
