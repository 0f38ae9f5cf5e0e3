/** dendro checkout */

import { latin1ToDisplay, textToLatin1 } from '../../bytes/latin1.ts'
import { DendroError } from '../../errors.ts'
import { absolutePath } from '../../system/caller.ts'
import { checkoutTree } from '../../tree/checkout.ts'
import { requirePath } from '../../tree/lookup.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/checkout.ts'
import { loadRevision, withReader } from '../shared/open-repository.ts'
import { printJson, ProgressLine, warn } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: ({ global, operands, options }) => {
    const { revision, directory: target } = operands
    return withReader(global, repository => {
      const { commit } = loadRevision(repository, revision)
      const subdir = options.subdir ?? ''
      const root = requirePath(repository, commit.root, textToLatin1(subdir))
      if (root.kind !== 'directory')
        throw new DendroError(
          'NOT_A_DIRECTORY',
          `cannot check out ${subdir}: it is a ${root.kind}`,
          {
            hint: 'name the directory it is in, or use dendro cat',
          },
        )
      const line = new ProgressLine()
      const { files, logicalBytes } = commit.summary
      const done = checkoutTree(
        repository,
        root,
        textToLatin1(absolutePath(target)),
        {
          asUser: options.user,
          noXattrs: options['no-xattrs'],
          onProgress: (count, written) =>
            line.update('checking out', count, files, written, logicalBytes),
        },
      )
      line.end()
      for (const path of done.leftOut)
        warn(`left out: ${latin1ToDisplay(path)}`)
      if (done.withoutXattrs > 0)
        warn(
          `left out: the xattrs of ${done.withoutXattrs} files and directories`,
        )
      if (global.json)
        printJson({
          directory: absolutePath(target),
          files: done.files,
          bytes: done.bytes,
          leftOut: done.leftOut.map(latin1ToDisplay),
        })
    })
  },
}
