/** Starts a server as a background process and waits until its mount answers. */

import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DendroError } from '../errors.ts'
import { siblingModule } from '../system/sibling-module.ts'
import { parseStartError } from './start-error.ts'
import { cleanEnvironment, SERVER_LOG } from './server-config.ts'
import type { ServerConfig } from './server-config.ts'

const START_TIMEOUT_MS = 30_000

/** Starts a server in the background; its pid once the mount answers. */
export const startServer = async (config: ServerConfig): Promise<number> => {
  const log = openSync(join(config.runtimeDirectory, SERVER_LOG), 'a', 0o600)
  const module = fileURLToPath(siblingModule(import.meta.url, 'server-main'))
  const child = spawn(
    process.execPath,
    [...NODE_FLAGS, module, JSON.stringify(config)],
    {
      argv0: '@dendro',
      detached: true,
      cwd: '/',
      env: cleanEnvironment(),
      stdio: ['ignore', log, log, 'pipe'],
    },
  )
  closeSync(log)
  const pipe = child.stdio[3] as NodeJS.ReadableStream
  const message = await firstLine(pipe, config)
  child.unref()
  if (message === 'ready') return child.pid as number
  throw parseStartError(message, join(config.runtimeDirectory, SERVER_LOG))
}

/** A read-mostly server: small young generation, little memory. */
const NODE_FLAGS = ['--max-semi-space-size=4']

const firstLine = (
  pipe: NodeJS.ReadableStream,
  config: ServerConfig,
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
              hint: `its log is ${join(config.runtimeDirectory, SERVER_LOG)}`,
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
