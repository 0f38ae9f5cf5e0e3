/** The control thread's word with the serving thread (service.ts). */

import { writeSync } from '../system/files.ts'
import type { MessagePort } from 'node:worker_threads'
import { GATE } from './server-config.ts'
import type { ControlMessage, ServerMessage } from './server-config.ts'

type Answer = Extract<ServerMessage, { readonly id: number }>
type News = Exclude<ServerMessage, Answer>

const ONE = Buffer.alloc(8)
ONE.writeBigUInt64LE(1n)

export class ServingThread {
  readonly #port: MessagePort
  readonly #gate: Int32Array
  readonly #wakeFd: number
  readonly #waiting = new Map<number, (reply: Answer) => void>()
  #nextId = 1

  /**
   * `wakeFd` is -1 where the serving thread has an event loop of its own.
   * `onNews` is told what it says unasked.
   */
  constructor(
    port: MessagePort,
    gate: Int32Array,
    wakeFd: number,
    onNews: (message: News) => void,
  ) {
    this.#port = port
    this.#gate = gate
    this.#wakeFd = wakeFd
    port.on('message', (message: ServerMessage) => {
      if (!('id' in message)) {
        onNews(message)
        return
      }
      this.#waiting.get(message.id)?.(message)
      this.#waiting.delete(message.id)
    })
  }

  post(message: ControlMessage): void {
    this.#port.postMessage(message)
    Atomics.store(this.#gate, GATE.isCalled, 1)
    if (this.#wakeFd >= 0) writeSync(this.#wakeFd, ONE)
  }

  /** Asks with a message of `type`; the answer is of type `answer`. */
  ask<T extends Answer['type']>(
    answer: T,
    make: (id: number) => ControlMessage,
  ): Promise<Extract<Answer, { readonly type: T }>> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, reply => {
        if (isOf(answer, reply)) resolve(reply)
        else reject(new TypeError(`asked for ${answer}, got ${reply.type}`))
      })
      this.post(make(id))
    })
  }
}

const isOf = <T extends Answer['type']>(
  type: T,
  reply: Answer,
): reply is Extract<Answer, { readonly type: T }> => reply.type === type
