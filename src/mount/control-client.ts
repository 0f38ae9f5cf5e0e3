/** Asks a server by its control socket. */

import { anything, parseJson } from '../bytes/json-shape.ts'
import { closeSync, descriptorPath, fstatSync } from '../system/files.ts'
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { DendroError, errnoOf } from '../errors.ts'
import { childOf, O_PATH, openPlace } from '../system/held-path.ts'
import type { FilePlace } from '../system/held-path.ts'
import { MIB } from '../units.ts'
import { RUNTIME_FILE } from '../system/protocol.ts'
import type { QUESTION } from '../system/protocol.ts'

const TIMEOUT_MS = 5000
const RETRY_MS = 20
const NO_ANSWER = 'NO_ANSWER'
/** The reads of a boot are the longest answer: 66 bytes for each object. */
const MAX_ANSWER_BYTES = 256 * MIB

/**
 * The answer of whoever listens at the socket that `descriptor` names: by it,
 * the address is short, and no link leads to another socket.
 */
const askOnce = (
  descriptor: number,
  question: string,
  timeoutMs: number,
): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(descriptorPath(descriptor))
    // However many bytes come by then.
    const timer = setTimeout(
      () => socket.destroy(new Error('the server does not answer')),
      timeoutMs,
    )
    let text = ''
    socket.setEncoding('utf8')
    socket.on('close', () => clearTimeout(timer))
    socket.on('connect', () => socket.write(`${question}\n`))
    socket.on('data', (data: string) => {
      text += data
      if (text.length > MAX_ANSWER_BYTES)
        socket.destroy(new Error('the answer has no end'))
    })
    socket.on('error', reject)
    socket.on('end', () => {
      // A server that has just been replaced says nothing.
      if (text === '') {
        reject(Object.assign(new Error('no answer'), { code: NO_ANSWER }))
        return
      }
      try {
        resolve(parseJson(text, anything))
      } catch (error) {
        reject(error instanceof Error ? error : new Error('bad answer'))
      }
    })
  })

/** A descriptor of the socket. System errors: ENOENT, ECONNREFUSED for no socket. */
const openSocket = (runtimeDirectory: FilePlace): number => {
  const fd = openPlace(
    childOf(runtimeDirectory, RUNTIME_FILE.controlSocket),
    O_PATH,
  )
  if (fstatSync(fd).isSocket()) return fd
  closeSync(fd)
  throw Object.assign(new Error('it is no socket'), { code: 'ENOTSOCK' })
}

/** Those that need no more words. */
export type Question = Exclude<
  (typeof QUESTION)[keyof typeof QUESTION],
  typeof QUESTION.inUse | typeof QUESTION.reload
>

/**
 * The answer to `question`, whose words are parted by tabs. A socket that is not there yet is waited for: the
 * mount answers a moment before its control thread does.
 * Errors: `SERVER_UNREACHABLE`.
 */
export const askServer = async (
  runtimeDirectory: FilePlace,
  question:
    | Question
    | `${typeof QUESTION.inUse}\t${string}`
    | `${typeof QUESTION.reload}\t${string}`,
  timeoutMs = TIMEOUT_MS,
): Promise<unknown> => {
  const deadline = Date.now() + TIMEOUT_MS
  for (;;) {
    let fd: number | undefined
    try {
      fd = openSocket(runtimeDirectory)
      return await askOnce(fd, question, timeoutMs)
    } catch (error) {
      const errno = errnoOf(error)
      // Asked to end, a server may do so before it has answered.
      const isCut = errno === NO_ANSWER || errno === 'ECONNRESET'
      if (isCut && question === 'release') return undefined
      const mayCome = errno === 'ENOENT' || errno === 'ECONNREFUSED' || isCut
      if (!mayCome || Date.now() > deadline)
        throw new DendroError(
          'SERVER_UNREACHABLE',
          `cannot reach the server at ${String(childOf(runtimeDirectory, RUNTIME_FILE.controlSocket))}: ${errno ?? String(error)}`,
          {
            cause: error,
            hint: 'is the mount still there? umount and mount it again',
          },
        )
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
    await sleep(RETRY_MS)
  }
}
