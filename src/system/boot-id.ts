/** Which boot this is: random(4), boot_id. */

import { readFileSync } from './files.ts'

/** A UUID that the kernel makes when it starts. System errors where /proc is not. */
export const bootId = (): string =>
  readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
