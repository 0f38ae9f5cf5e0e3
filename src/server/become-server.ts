/**
 * Turns the process of a command into the server.
 *
 * Starting Node takes longer than mounting, so one process does both. The
 * launcher (starter.ts) makes the bind mount: its lookups are answered by this
 * very thread, which has no event loop that could reap a child.
 */

import { closeSync, openSync } from '../system/files.ts'
import { join } from 'node:path'
import { errorLine } from '../errors.ts'
import { shim } from '../system/native.ts'
import { writeNote } from '../system/standard-streams.ts'
import { removeRuntimeDirectory } from './runtime-directory.ts'
import type { ServerConfig } from './server-config.ts'
import { serve } from './server.ts'
import type { ServeHooks } from './server.ts'
import { RUNTIME_FILE } from '../system/protocol.ts'

/** The descriptors 0, 1 and 2 leave the terminal: a freed number is the next given. */
const redirectOutput = (log: string): void => {
  closeSync(0)
  openSync('/dev/null', 'r')
  for (const descriptor of [1, 2]) {
    closeSync(descriptor)
    openSync(log, 'a', 0o600)
  }
}

/**
 * Never returns: ends with the mount. Throws when it cannot be mounted.
 * `onReady` runs on the serving thread once the mount answers; it or the control
 * thread tells the launcher.
 */
export const becomeServer = (
  config: ServerConfig,
  hooks: ServeHooks,
): never => {
  let isMounted = false
  try {
    serve(config, {
      ...hooks,
      onMounted: () => {
        hooks.onMounted?.()
        redirectOutput(join(config.runtimeDirectory, RUNTIME_FILE.serverLog))
        isMounted = true
      },
    })
    removeRuntimeDirectory(config.runtimeDirectory)
    return shim().exit(0)
  } catch (error) {
    if (!isMounted) throw error
    // Nobody listens any more, and threads would keep the process.
    writeNote(`dendro: ${errorLine(error)}\n`)
    return shim().exit(1)
  }
}
