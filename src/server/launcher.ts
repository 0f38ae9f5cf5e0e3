/**
 * What a server tells the launcher that started it in the background and waits
 * on descriptor 3 for one line: "ready", what is to be bound, or why not.
 * Launchers: scripts/dendro, and scripts/shipped/initramfs/dendro-lib at a boot.
 */

import { closeSync, writeSync } from '../system/files.ts'
import { textToBytes } from '../bytes/byte-text.ts'
import { READY_FD } from './server-config.ts'

/** Set by a launcher: a line on descriptor 3 is waited for. */
export const isLaunched = (): boolean => process.env['DENDRO_DETACH'] === '1'

export interface BindRequest {
  readonly source: string
  readonly target: string
  /** As mount(8) takes them: `ro,nosuid,...`. */
  readonly options: string
}

/** Nothing is to be bound. */
export const READY_LINE = 'ready'

/**
 * `source` and `target` are absolute and normal, so three slashes are in neither;
 * the dot saves a newline at the end from the shell.
 */
export const bindLine = ({ source, target, options }: BindRequest): string =>
  `bind ${options} ${source}//${target}.`

/** Says the line; the launcher goes on. */
export const tellLauncher = (line: string): void => {
  writeSync(READY_FD, textToBytes(`${line}\n`))
  closeSync(READY_FD)
}
