/** What Node is told when it runs a server. */

import { hasSpareProcessor, isEmulated } from '../system/processors.ts'

/**
 * Little memory, and no code that is slow until it ran often, if that costs
 * nobody else's time. As scripts/shipped/server-flags. docs/decisions/ahead.md
 */
export const serverFlags = (): string[] => [
  '--max-semi-space-size=2',
  '--optimize-for-size',
  '--single-threaded-gc',
  ...(isEmulated()
    ? ['--jitless']
    : hasSpareProcessor()
      ? ['--always-sparkplug']
      : []),
]
