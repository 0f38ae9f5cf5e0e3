/** Asks a server by its control socket. */

import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DendroError, errnoOf } from '../errors.ts'
import { controlAddress } from './control-socket.ts'
import { CONTROL_SOCKET } from './server-config.ts'

const TIMEOUT_MS = 5000
const RETRY_MS = 20
const NO_ANSWER = 'NO_ANSWER'

const askOnce = (
  path: string,
  question: string,
  timeoutMs: number,
): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(path)
    let text = ''
    socket.setEncoding('utf8')
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error('the server does not answer')),
    )
    socket.on('connect', () => socket.write(`${question}\n`))
    socket.on('data', (data: string) => (text += data))
    socket.on('error', reject)
    socket.on('end', () => {
      // A server that has just been replaced says nothing.
      if (text === '') {
        reject(Object.assign(new Error('no answer'), { code: NO_ANSWER }))
        return
      }
      try {
        resolve(JSON.parse(text))
      } catch (error) {
        reject(error instanceof Error ? error : new Error('bad answer'))
      }
    })
  })

export type Question = 'ping' | 'stats' | 'reads' | 'release' | 'refresh'

/**
 * The answer to `question`, whose words are parted by tabs. A socket that is not there yet is waited for: the
 * mount answers a moment before its control thread does.
 * Errors: `SERVER_UNREACHABLE`.
 */
export const askServer = async (
  runtimeDirectory: string,
  question: Question | `in-use\t${string}` | `reload\t${string}`,
  timeoutMs = TIMEOUT_MS,
): Promise<unknown> => {
  const path = join(runtimeDirectory, CONTROL_SOCKET)
  const deadline = Date.now() + TIMEOUT_MS
  for (;;) {
    try {
      const address = controlAddress(runtimeDirectory)
      return await askOnce(address, question, timeoutMs)
    } catch (error) {
      const errno = errnoOf(error)
      // Asked to end, a server may do so before it has answered.
      const isCut = errno === NO_ANSWER || errno === 'ECONNRESET'
      if (isCut && question === 'release') return undefined
      const mayCome = errno === 'ENOENT' || errno === 'ECONNREFUSED' || isCut
      if (!mayCome || Date.now() > deadline)
        throw new DendroError(
          'SERVER_UNREACHABLE',
          `cannot reach the server at ${path}: ${errno ?? String(error)}`,
          {
            cause: error,
            hint: 'is the mount still there? umount and mount it again',
          },
        )
      await sleep(RETRY_MS)
    }
  }
}
