/** What kind of processors this process has. */

import { readFileSync } from './files.ts'
import { availableParallelism } from 'node:os'

/**
 * Whether something can be done beside the program that is served. On a single
 * processor all that is done ahead of it is taken from it.
 */
export const hasSpareProcessor = (): boolean => availableParallelism() > 1

/**
 * Whether the processor is emulated by QEMU. It translates what is written to
 * memory as code anew each time: compiling costs more than it saves there.
 */
export const isEmulated = (): boolean => {
  try {
    return /^model name\s*:.*\bTCG\b/m.test(
      readFileSync('/proc/cpuinfo', 'latin1'),
    )
  } catch {
    return false
  }
}
