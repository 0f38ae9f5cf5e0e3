/**
 * Turns the process of `dendro mount` into the server.
 *
 * Starting Node takes longer than mounting, so one process does both: the
 * launcher (scripts/dendro) starts it in the background and waits on descriptor 3
 * for one line: "ready", what is to be bound, or why not. The launcher makes the
 * bind mount: its lookups are answered by this very thread, which has no event
 * loop that could reap a child.
 */

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

/**
 * `source` and `target` are absolute and normal, so three slashes are in neither;
 * the dot saves a newline at the end from the shell.
 */
const readyLine = (bind: BindRequest | undefined): string =>
  bind === undefined
    ? 'ready'
    : `bind ${bind.options} ${bind.source}//${bind.target}.`

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
      writeSync(READY_FD, `${readyLine(bind)}\n`)
      closeSync(READY_FD)
    },
  })
  removeRuntimeDirectory(config.runtimeDirectory)
  return shim().exit(0)
}
