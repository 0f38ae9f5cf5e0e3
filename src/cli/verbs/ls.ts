/** dendro ls */

import { latin1ToDisplay, textToLatin1 } from '../../bytes/latin1.ts'
import type { FsObject } from '../../objects/fs-object.ts'
import { requirePath, splitPath } from '../../tree/lookup.ts'
import { walkTree } from '../../tree/walk.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { longLine, objectToJson } from '../shared/describe.ts'
import { loadRevision, withReader } from '../shared/open-repository.ts'
import { print, printJson } from '../shared/output.ts'

const usage = 'ls REV [PATH] [-R] [-l]'

export const verb: Verb = {
  usage,
  summary: 'list a directory of a commit; -R all below it, -l with details',
  run: context => {
    const options = {
      recursive: { type: 'boolean', short: 'R' },
      long: { type: 'boolean', short: 'l' },
    } as const
    const parsed = parseVerb(context, usage, options, [1, 2])
    const [revision, path = ''] = parsed.positionals as [string, string?]
    return withReader(context.global, repository => {
      const { commit } = loadRevision(repository, revision)
      const start = requirePath(repository, commit.root, textToLatin1(path))
      const json: unknown[] = []
      const show = (name: string, object: FsObject): void => {
        if (context.global.json) json.push(objectToJson(name, object))
        else if (parsed.flag('long')) print(longLine(name, object))
        else print(latin1ToDisplay(name))
      }
      if (start.kind !== 'directory')
        show(splitPath(textToLatin1(path)).at(-1) ?? '.', start)
      else
        for (const { path: name, object } of walkTree(
          repository,
          start,
          parsed.flag('recursive'),
        ))
          show(name, object)
      if (context.global.json) printJson(json)
    })
  },
}
