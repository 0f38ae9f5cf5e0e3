/**
 * Tells who started this process, and waits, how that went (start-outcome.ts).
 *
 * A launcher (scripts/dendro, and at a boot dendro-lib) says by a variable that
 * it waits for the line on descriptor 3; mount/start-server.ts waits without
 * one, and what adopts a mount gets another descriptor. A service manager is
 * told only that all is ready: the rest it sees by the exit status.
 */

import { textToBytes } from '../bytes/byte-text.ts'
import { closeSync, writeSync } from '../system/files.ts'
import { LAUNCHED, READY_FD } from '../system/protocol.ts'
import { encodeOutcome } from './start-outcome.ts'
import type { StartOutcome } from './start-outcome.ts'

/** Whether a launcher waits for a line. */
export const isLaunched = (): boolean =>
  process.env[LAUNCHED.name] === LAUNCHED.value

/** Says the line; the starter goes on. Must not be called twice. */
export const tellStarter = (outcome: StartOutcome, fd = READY_FD): void => {
  writeSync(fd, textToBytes(`${encodeOutcome(outcome)}\n`))
  closeSync(fd)
}
