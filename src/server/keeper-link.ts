/** The server's end of the socket to a keeper (native-shim/keeper.c). */

import { writeSync } from '../system/files.ts'
import { Socket } from 'node:net'
import type { Keeper } from './keeper.ts'

export class KeeperLink {
  readonly pid: number
  readonly #socket: number

  /** Calls `onLine` for what the keeper says, `onGone` once when it is dead. */
  constructor(
    keeper: Keeper,
    onLine: (line: string) => void,
    onGone: () => void,
  ) {
    this.pid = keeper.pid
    this.#socket = keeper.socket
    const socket = new Socket({ fd: keeper.socket })
    let text = ''
    let isGone = false
    const gone = (): void => {
      if (isGone) return
      isGone = true
      socket.destroy()
      onGone()
    }
    socket.setEncoding('utf8')
    socket.on('data', (data: string) => {
      const lines = (text + data).split('\n')
      text = lines.pop() as string
      for (const line of lines) onLine(line)
    })
    socket.on('end', gone)
    socket.on('error', gone)
  }

  say(line: string): void {
    try {
      writeSync(this.#socket, `${line}\n`)
    } catch {
      // It died just now: the end of the socket tells.
    }
  }
}
