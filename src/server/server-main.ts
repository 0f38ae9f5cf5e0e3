/**
 * A server as a process of its own, started in the background (mounting.ts).
 *
 * With a ServerConfig as JSON it mounts, and says on descriptor 3 how that went
 * (start-outcome.ts). With `resume DIR` it takes over the mount whose runtime
 * directory is DIR, on the descriptors that the keeper left it (`KEPT`); with
 * `adopt DIR` on those that a service manager kept, saying so on descriptor 5.
 */

import { parseJson } from '../bytes/json-shape.ts'
import { DendroError, errorLine } from '../errors.ts'
import { callerArguments } from '../system/caller.ts'
import { shim } from '../system/native.ts'
import { writeNote } from '../system/standard-streams.ts'
import { removeRuntimeDirectory } from './runtime-directory.ts'
import type { ServerConfig } from './server-config.ts'
import { failureOf, READY } from './start-outcome.ts'
import type { StartOutcome } from './start-outcome.ts'
import { tellStarter } from './starter.ts'
import { SERVER_CONFIG } from './stored-config.ts'
import { serve, servePortable, takeOver } from './server.ts'
import { readState } from './server-state.ts'
import { KEPT, ORDER, READY_FD } from '../system/protocol.ts'

const [order = '{}', directory = ''] = callerArguments()
const isAdopting = order === ORDER.adopt

const report = (outcome: StartOutcome): void => {
  try {
    tellStarter(outcome, isAdopting ? KEPT.socket : READY_FD)
  } catch {
    // Nobody waits: started by a supervisor.
  }
}

const end = (config: ServerConfig): never => {
  removeRuntimeDirectory(config.runtimeDirectory)
  return shim().exit(0)
}

const fail = (error: unknown): never => {
  report(failureOf(error))
  writeNote(`dendro: ${errorLine(error)}\n`)
  return shim().exit(1)
}

/**
 * A server that was told to take over, by the keeper (which it then speaks
 * with) or by a service manager (then it starts a keeper).
 */
const resume = (runtimeDirectory: string): never => {
  const config = readState(runtimeDirectory)
  if (config === undefined)
    throw new DendroError(
      'MOUNT_FAILED',
      `cannot take over: ${runtimeDirectory} does not say what to serve`,
    )
  const kept = isAdopting ? { ...KEPT, socket: undefined } : KEPT
  takeOver(config, kept, () => {
    if (isAdopting) report(READY)
  })
  return end(config)
}

try {
  if (isAdopting || order === ORDER.resume) resume(directory)
  const config = parseJson(order, SERVER_CONFIG)
  const hooks = { onReady: () => report(READY) }
  if (config.transport === 'fuse-native')
    servePortable(config, hooks).then(() => end(config), fail)
  else {
    serve(config, hooks)
    end(config)
  }
} catch (error) {
  fail(error)
}
