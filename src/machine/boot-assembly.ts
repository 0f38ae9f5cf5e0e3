/** The root of a machine that boots, put together beside the thread that serves it. */

import type { RootParts } from '../root/assemble.ts'
import { failureOf, READY } from '../server/start-outcome.ts'
import type { StartOutcome } from '../server/start-outcome.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'

export interface Assembly {
  /** The repository's directory. */
  readonly repository: string
  readonly view: string
  readonly layout: CommitLayout
  readonly parts: RootParts
  readonly target: string
}

export interface AssemblyPorts {
  /** Puts the root together at the assembly's target. */
  readonly assemble: (assembly: Assembly) => void
  /** Tells the initramfs, which goes on. */
  readonly tell: (outcome: StartOutcome) => void
  /** Takes the view away, so that the server ends. */
  readonly dropView: (view: string) => void
}

/** Assembles, and says how it went; where it failed, the server ends. */
export const assembleForBoot = (
  assembly: Assembly,
  { assemble, tell, dropView }: AssemblyPorts,
): void => {
  try {
    assemble(assembly)
    tell(READY)
  } catch (error) {
    tell(failureOf(error))
    dropView(assembly.view)
  }
}
