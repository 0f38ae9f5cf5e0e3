/** What the serving thread gives the control thread when it starts it. */

import type { MessagePort } from 'node:worker_threads'
import type { ServerConfig } from './server-config.ts'
import type { Settled } from './service.ts'

/** Descriptors are -1 where the transport has none. */
export interface ControlSetup {
  readonly config: ServerConfig
  /** The repository's directory, which the server holds open. */
  readonly repository: { readonly fd: number; readonly path: string }
  readonly fd: number
  readonly wakeFd: number
  readonly stateFd: number
  readonly keeperSocket: number
  readonly keeperPid: number
  readonly settled: Settled
  readonly port: MessagePort
  /** Words that the two threads share (`GATE`). */
  readonly gate: Int32Array
  /** See `ControlProgram`. */
  readonly first: unknown
}

/**
 * Another program for the thread: it does what `first` in its worker data says
 * and goes on as any other control thread (`startControl`).
 */
export interface ControlProgram {
  readonly module: URL
  readonly first: unknown
}
