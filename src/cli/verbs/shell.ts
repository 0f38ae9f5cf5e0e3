/** dendro shell */

import { inspectCommit } from '../../sysroot/commit-layout.ts'
import { shellOf } from '../../root/enter.ts'
import type { Verb } from '../shared/arguments.ts'
import { enterAndExit } from './run.ts'

const usage = 'shell [--deployment N | REV]'

export const verb: Verb = {
  usage,
  summary: 'start a shell inside a deployment or a commit, as run does',
  run: context =>
    enterAndExit(context, usage, (repository, commit) =>
      shellOf(repository, inspectCommit(repository, commit)),
    ),
}
