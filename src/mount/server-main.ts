/**
 * A server as a process of its own, started in the background (mounting.ts).
 *
 * The first argument is a ServerConfig as JSON. "ready" on descriptor 3 says
 * that the mount answers; anything else there is why it does not.
 */

import { closeSync, writeSync } from 'node:fs'
import { shim } from '../system/native.ts'
import { removeRuntimeDirectory } from './runtime-directory.ts'
import { READY_FD } from './server-config.ts'
import type { ServerConfig } from './server-config.ts'
import { describeStartError } from './start-error.ts'
import { serve, servePortable } from './server.ts'

const report = (message: string): void => {
  try {
    writeSync(READY_FD, `${message}\n`)
    closeSync(READY_FD)
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
  process.stderr.write(`dendro: ${String(error)}\n`)
  return shim().exit(1)
}

try {
  const config = JSON.parse(process.argv[2] ?? '{}') as ServerConfig
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
