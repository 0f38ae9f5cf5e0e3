/**
 * Starts the keeper (native-shim/keeper.c), the small process that holds the
 * device and the shared state and replaces a server that dies.
 */

import { closeSync, openSync } from '../system/files.ts'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { spawn } from '../system/spawn.ts'
import type { EventLog } from '../store/event-log.ts'
import { nativePath } from '../system/native.ts'
import { check, shim } from '../system/native.ts'
import { siblingModule } from '../system/sibling-module.ts'
import { cleanEnvironment } from './server-config.ts'
import type { ServerConfig } from './server-config.ts'
import { serverFlags } from './server-flags.ts'
import { PROCESS_NAME, RUNTIME_FILE } from '../system/protocol.ts'

export interface Kept {
  readonly fuse: number
  readonly state: number
}

export interface Keeper {
  readonly pid: number
  /** Our end of the socket; the lines are in system/protocol.ts. */
  readonly socket: number
}

/** The program that a keeper starts as a server. */
export const serverProgram = (): string =>
  fileURLToPath(siblingModule(import.meta.url, 'server-main'))

/** Starts a keeper for this process; the descriptors stay ours as well. */
export const startKeeper = (
  config: ServerConfig,
  kept: Kept,
  eventLog: EventLog,
): Keeper => {
  const pair = new Int32Array(2)
  check(shim().socketpair(pair), 'cannot make a socket pair')
  const [ours, theirs] = pair as unknown as [number, number]
  const log = openSync(
    join(config.runtimeDirectory, RUNTIME_FILE.serverLog),
    'a',
    0o600,
  )
  const events = eventLog.open()
  try {
    const child = spawn(
      nativePath('dendro-keeper'),
      [
        config.runtimeDirectory,
        String(process.pid),
        String(config.watchdogMs),
        process.execPath,
        serverProgram(),
        ...serverFlags(),
      ],
      {
        argv0: PROCESS_NAME.keeper,
        cwd: '/',
        detached: true,
        env: cleanEnvironment(),
        // KEEPER_FD, in its order.
        stdio: ['ignore', log, log, kept.fuse, kept.state, theirs, events],
      },
    )
    child.on('error', () => undefined)
    child.unref()
    if (child.pid === undefined) {
      closeSync(ours)
      throw new Error('the keeper cannot be started')
    }
    return { pid: child.pid, socket: ours }
  } finally {
    for (const fd of [theirs, log, events]) closeSync(fd)
  }
}
