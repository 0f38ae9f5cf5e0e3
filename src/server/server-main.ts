/**
 * A server as a process of its own, started in the background (mounting.ts).
 *
 * With a ServerConfig as JSON it mounts: "ready" on descriptor 3 says that the
 * mount answers; anything else there is why it does not. With `resume DIR` it
 * takes over the mount whose runtime directory is DIR, on the descriptors that
 * the keeper left it (keeper.ts); with `adopt DIR` on those that a service
 * manager kept, saying "ready" on descriptor 5.
 */

import { closeSync, writeSync } from '../system/files.ts'
import { DendroError, errorLine } from '../errors.ts'
import { callerArguments } from '../system/caller.ts'
import { shim } from '../system/native.ts'
import { writeNote } from '../system/standard-streams.ts'
import { KEPT } from './keeper.ts'
import { removeRuntimeDirectory } from './runtime-directory.ts'
import { READY_FD } from './server-config.ts'
import type { ServerConfig } from './server-config.ts'
import { describeStartError } from './start-error.ts'
import { serve, servePortable, takeOver } from './server.ts'
import { readState } from './server-state.ts'

const [order = '{}', directory = ''] = callerArguments()
const isAdopting = order === 'adopt'
const readyFd = isAdopting ? KEPT.socket : READY_FD

const report = (message: string): void => {
  try {
    writeSync(readyFd, `${message}\n`)
    closeSync(readyFd)
  } catch {
    // Nobody waits: started by a supervisor.
  }
}

const end = (config: ServerConfig): never => {
  removeRuntimeDirectory(config.runtimeDirectory)
  return shim().exit(0)
}

const fail = (error: unknown): never => {
  report(describeStartError(error))
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
    if (isAdopting) report('ready')
  })
  return end(config)
}

try {
  if (isAdopting || order === 'resume') resume(directory)
  const config = JSON.parse(order) as ServerConfig
  const hooks = { onReady: () => report('ready') }
  if (config.transport === 'fuse-native')
    servePortable(config, hooks).then(() => end(config), fail)
  else {
    serve(config, hooks)
    end(config)
  }
} catch (error) {
  fail(error)
}
