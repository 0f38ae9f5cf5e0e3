/** The socket at which a server is asked: a line each way, then it is closed. */

import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { rmSync } from '../system/files.ts'
import { controlAddress } from './control-socket.ts'
import { RUNTIME_FILE } from '../system/protocol.ts'

const MAX_QUESTION_BYTES = 16 * 1024 * 1024

export class ControlListener {
  readonly #runtimeDirectory: string
  readonly #answer: (question: string) => Promise<unknown>
  #server: Server | undefined

  /** What `answer` resolves with is told as JSON. */
  constructor(
    runtimeDirectory: string,
    answer: (question: string) => Promise<unknown>,
  ) {
    this.#runtimeDirectory = runtimeDirectory
    this.#answer = answer
  }

  /** Listens, in the place of whoever listened at this path before. */
  listen(): void {
    rmSync(join(this.#runtimeDirectory, RUNTIME_FILE.controlSocket), {
      force: true,
    })
    this.#server?.close()
    this.#server = createServer(socket => {
      let text = ''
      socket.setEncoding('utf8')
      socket.on('error', () => socket.destroy())
      socket.on('data', (data: string) => {
        text += data
        if (text.length > MAX_QUESTION_BYTES) socket.destroy()
        if (!data.includes('\n')) return
        void this.#answer(text).then(reply =>
          socket.end(`${JSON.stringify(reply)}\n`),
        )
      })
    }).listen(controlAddress(this.#runtimeDirectory))
  }

  close(): void {
    this.#server?.close()
    this.#server = undefined
  }
}
