/**
 * Turns the process of `dendro mount` into the server.
 *
 * Starting Node takes longer than mounting, so one process does both: the
 * launcher (scripts/dendro) starts it in the background and waits on descriptor 3
 * for one line, "ready" or why not. The bind mount is made by mount(8): its
 * lookups are answered by this very thread.
 */

import { spawn } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { shim } from '../system/native.ts'
import { removeRuntimeDirectory } from './runtime-directory.ts'
import { READY_FD, SERVER_LOG } from './server-config.ts'
import type { ServerConfig } from './server-config.ts'
import { serve } from './server.ts'

/** Set by the launcher: a line on descriptor 3 is waited for. */
export const isDetachable = (): boolean => process.env['DENDRO_DETACH'] === '1'

export interface BindRequest {
  readonly source: string
  readonly target: string
  /** As mount(8) takes them: `ro,nosuid,...`. */
  readonly options: string
}

/** Exit status and output of mount(8), as one line for the launcher. */
const BIND_SCRIPT =
  'if why=$(mount --bind -o "$1" -- "$2" "$3" 2>&1); then echo ready; else echo "$why"; fi'

const ready = (): void => {
  writeSync(READY_FD, 'ready\n')
  closeSync(READY_FD)
}

/** The descriptors 0, 1 and 2 leave the terminal: a freed number is the next given. */
const redirectOutput = (log: string): void => {
  closeSync(0)
  openSync('/dev/null', 'r')
  for (const descriptor of [1, 2]) {
    closeSync(descriptor)
    openSync(log, 'a', 0o600)
  }
}

/** Never returns: ends with the mount. Throws when it cannot be mounted. */
export const becomeServer = (
  config: ServerConfig,
  bind: BindRequest | undefined,
  onMounted: () => void,
): never => {
  serve(config, {
    onMounted: () => {
      onMounted()
      redirectOutput(join(config.runtimeDirectory, SERVER_LOG))
    },
    onReady: () => {
      if (bind === undefined) {
        ready()
        return
      }
      const { options, source, target } = bind
      spawn('/bin/sh', ['-c', BIND_SCRIPT, 'sh', options, source, target], {
        stdio: ['ignore', READY_FD, 'ignore'],
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      })
      closeSync(READY_FD)
    },
  })
  removeRuntimeDirectory(config.runtimeDirectory)
  return shim().exit(0)
}
