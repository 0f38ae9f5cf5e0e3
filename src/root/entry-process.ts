/** The process that stands in a root and runs a command there: native-shim/enter.c. */

import { constants, hostname } from 'node:os'
import { spawn } from '../system/spawn.ts'
import { nativePath } from '../system/native.ts'
import { ENTER } from '../system/protocol.ts'

export interface Command {
  /** At least one word. */
  readonly words: readonly string[]
}

/** Where the command is to run. */
export type Place =
  /** A root in the mount namespace of this thread, which becomes "/". */
  | { readonly kind: 'root'; readonly path: string }
  /** A copy of the mount namespace that a descriptor holds. */
  | { readonly kind: 'namespace'; readonly fd: number }

export interface Entry {
  readonly pid: number
  /** Whether the process stands in the root; false when it could not. */
  readonly entered: Promise<boolean>
  /** The exit status of the command, as shells have it. */
  readonly ended: Promise<number>
}

const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const
/** A terminal sends these to the command as well. */
const TERMINAL_SIGNALS = ['SIGINT', 'SIGQUIT'] as const

/** Where the process finds the namespace. */
const NAMESPACE_FD = ENTER.enteredFd + 1

/** Starts the process; it ends with this one. */
export const startEntry = (place: Place, { words }: Command): Entry => {
  const [mode, where] =
    place.kind === 'root'
      ? [ENTER.root, place.path]
      : [ENTER.join, String(NAMESPACE_FD)]
  const child = spawn(
    nativePath('dendro-enter'),
    [...[mode, where, hostname()], ...words],
    {
      stdio: [
        ...(['inherit', 'inherit', 'inherit', 'pipe'] as const),
        ...(place.kind === 'root' ? [] : [place.fd]),
      ],
      env: environment(),
      cwd: '/',
    },
  )
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal))
  for (const signal of TERMINAL_SIGNALS) process.on(signal, () => undefined)
  const entered = new Promise<boolean>(resolve => {
    const pipe = child.stdio[ENTER.enteredFd] as NodeJS.ReadableStream
    pipe.on('data', () => resolve(true))
    pipe.on('close', () => resolve(false))
  })
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve(
        code ??
          ENTER.bySignal + (signal === null ? 0 : constants.signals[signal]),
      ),
    )
  })
  // It is waited for later than what is said in the pipe.
  ended.catch(() => undefined)
  return { pid: child.pid ?? 0, entered, ended }
}

/** What a login would set, and how the terminal speaks. */
const environment = (): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(?:TERM|COLORTERM|LANG|LC_.*|NO_COLOR)$/.test(name),
  )
  return {
    ...Object.fromEntries(kept),
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    USER: 'root',
    LOGNAME: 'root',
  }
}
