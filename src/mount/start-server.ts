/** Starts a server as a background process and waits until its mount answers. */

import { closeSync, openSync } from '../system/files.ts'
import { join } from 'node:path'
import { DendroError } from '../errors.ts'
import { packageRoot } from '../system/native.ts'
import { spawn } from '../system/spawn.ts'
import { serverProgram } from '../server/keeper.ts'
import type { Kept } from '../server/keeper.ts'
import { decodeOutcome, errorOfOutcome } from '../server/start-outcome.ts'
import { cleanEnvironment } from '../server/server-config.ts'
import type { ServerConfig } from '../server/server-config.ts'
import { serverFlags } from '../server/server-flags.ts'
import { ORDER, PACKAGE, READY_FD, RUNTIME_FILE } from '../system/protocol.ts'

const START_TIMEOUT_MS = 30_000

/** Starts a server in the background; its pid once the mount answers. */
export const startServer = (config: ServerConfig): Promise<number> =>
  start(config.runtimeDirectory, [JSON.stringify(config)], [])

/** Starts a server for a mount that nobody serves any more. */
export const adoptServer = (
  runtimeDirectory: string,
  { fuse, state }: Kept,
): Promise<number> =>
  start(runtimeDirectory, [ORDER.adopt, runtimeDirectory], [fuse, state])

/** Behind `inherited`, which begin at 3, the server gets the pipe for its word. */
const start = async (
  runtimeDirectory: string,
  args: readonly string[],
  inherited: readonly number[],
): Promise<number> => {
  const logPath = join(runtimeDirectory, RUNTIME_FILE.serverLog)
  const log = openSync(logPath, 'a', 0o600)
  const child = spawn(
    join(packageRoot(), PACKAGE.detach),
    [
      String(READY_FD + inherited.length),
      ...Object.entries(cleanEnvironment()).map(
        ([name, value]) => `${name}=${value}`,
      ),
      process.execPath,
      ...serverFlags(),
      serverProgram(),
      ...args,
    ],
    {
      detached: true,
      cwd: '/',
      stdio: ['ignore', log, log, ...inherited, 'pipe'],
    },
  )
  closeSync(log)
  const pipe = child.stdio[3 + inherited.length] as NodeJS.ReadableStream
  const outcome = decodeOutcome(await firstLine(pipe, logPath))
  child.unref()
  if (outcome?.kind === 'ready') return child.pid as number
  throw errorOfOutcome(outcome, logPath)
}

const firstLine = (
  pipe: NodeJS.ReadableStream,
  logPath: string,
): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    const timer = setTimeout(
      () =>
        reject(
          new DendroError(
            'MOUNT_FAILED',
            'cannot mount: the server does not start',
            {
              hint: `its log is ${logPath}`,
            },
          ),
        ),
      START_TIMEOUT_MS,
    )
    const done = (): void => {
      clearTimeout(timer)
      resolve(text.split('\n')[0] as string)
    }
    pipe.on('data', (data: Buffer) => {
      text += data.toString()
      if (text.includes('\n')) done()
    })
    pipe.on('end', done)
  })
