/** Has the kernel let go of commits that are to be pruned. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Invalidation } from '../fuse/notify.ts'
import type { ServingThread } from './serving-thread.ts'

const LET_GO_MS = 500
const LET_GO_STEP_MS = 25

export interface LetGoPorts {
  readonly serving: Pick<ServingThread, 'ask' | 'post'>
  /** Tells the kernel; it may sleep on what the serving thread has yet to answer. */
  readonly sendAll: (invalidations: readonly Invalidation[]) => void
  /** Those of the commits (hex) that a process or a mount is in. */
  readonly usedByProcesses: (commits: readonly string[]) => readonly string[]
}

/**
 * Which of `commits` (hex) somebody uses. The others cannot be entered any
 * more, and the kernel has let go of them: their objects may go.
 */
export const letGoOf = async (
  commits: readonly string[],
  { serving, sendAll, usedByProcesses }: LetGoPorts,
): Promise<{ readonly inUse: readonly string[] }> => {
  const used = usedByProcesses(commits)
  const rest = commits.filter(hex => !used.includes(hex))
  const deadline = Date.now() + LET_GO_MS
  let known: readonly string[]
  for (let round = 0; ; round++) {
    const reply = await serving.ask('condemned', id => ({
      type: 'condemn',
      id,
      commits: rest,
    }))
    known = reply.inUse
    if (known.length === 0 || Date.now() > deadline) break
    const hexes = new Set(known)
    if (round === 0)
      sendAll(
        reply.invalidations.filter(
          told => told.kind === 'entry' && hexes.has(told.name),
        ),
      )
    await sleep(LET_GO_STEP_MS)
  }
  serving.post({ type: 'pardon', commits: known })
  return { inUse: [...used, ...known] }
}
