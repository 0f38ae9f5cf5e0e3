/**
 * The control thread of a server that boots a machine: puts the root together,
 * beside the thread that serves what it looks into, tells the launcher how it
 * went, and goes on as any other (server/control.ts).
 */

import { workerData } from 'node:worker_threads'
import { assembleRoot } from '../root/assemble.ts'
import type { RootParts } from '../root/assemble.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'
import { errorLine } from '../errors.ts'
import type { ControlSetup } from '../server/control.ts'
import { READY_LINE, tellLauncher } from '../server/launcher.ts'
import { dropView } from '../mount/unmounting.ts'
import { Repository } from '../store/repository.ts'

export interface Assembly {
  /** The repository's directory. */
  readonly repository: string
  readonly view: string
  readonly layout: CommitLayout
  readonly parts: RootParts
  readonly target: string
}

const { repository, view, layout, parts, target } = (workerData as ControlSetup)
  .first as Assembly
try {
  assembleRoot(Repository.open(repository), view, layout, parts, target)
  tellLauncher(READY_LINE)
} catch (error) {
  tellLauncher(errorLine(error))
  dropView(view)
}
void import('../server/control.ts')
