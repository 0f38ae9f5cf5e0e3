/** dendro checkout */

import { latin1ToDisplay, textToLatin1 } from '../../bytes/latin1.ts'
import { DendroError } from '../../errors.ts'
import { absolutePath } from '../../system/caller.ts'
import { checkoutTree } from '../../tree/checkout.ts'
import { requirePath } from '../../tree/lookup.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { loadRevision, withReader } from '../shared/open-repository.ts'
import { printJson, ProgressLine, warn } from '../shared/output.ts'

const usage = 'checkout REV DIR [--subdir PATH] [--user] [--no-xattrs]'

export const verb: Verb = {
  usage,
  summary:
    'write a commit out as plain files, exactly\n\n' +
    'DIR must be absent or empty. --user leaves out what only root may make:\n' +
    'owners, devices and privileged xattrs; --no-xattrs all xattrs, ACLs among them.',
  run: context => {
    const options = {
      subdir: { type: 'string' },
      user: { type: 'boolean', short: 'U' },
      'no-xattrs': { type: 'boolean' },
    } as const
    const parsed = parseVerb(context, usage, options, [2, 2])
    const [revision, target] = parsed.positionals as [string, string]
    return withReader(context.global, repository => {
      const { commit } = loadRevision(repository, revision)
      const subdir = parsed.string('subdir') ?? ''
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
          asUser: parsed.flag('user'),
          noXattrs: parsed.flag('no-xattrs'),
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
      if (context.global.json)
        printJson({
          directory: absolutePath(target),
          files: done.files,
          bytes: done.bytes,
          leftOut: done.leftOut.map(latin1ToDisplay),
        })
    })
  },
}
