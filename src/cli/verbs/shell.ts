/** dendro shell */

import { inspectCommit } from '../../sysroot/commit-layout.ts'
import { shellOf } from '../../root/enter.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/shell.ts'
import { enterAndExit } from './run.ts'

export const verb: Verb<typeof definition> = {
  run: invocation =>
    enterAndExit(invocation, (repository, commit) =>
      shellOf(repository, inspectCommit(repository, commit)),
    ),
}
