/**
 * A request in hand and its answer. Everything that belongs to one request
 * stands here and nowhere else: what is served between two steps of another
 * one is an exchange of its own, so that the two cannot mix.
 */

import { finish } from '../steps.ts'
import type { Through } from '../steps.ts'
import { Arguments } from './arguments.ts'
import type { Slice } from './handler.ts'
import * as kernel from './layout.ts'
import { MAX_PAGES } from './negotiate.ts'
import type { Operation } from './operation.ts'
import { operationOf } from './opcodes.ts'
import { DirectoryPage } from './records.ts'
import { BODY_AT } from './reply.ts'
import { Request } from './request.ts'
import { sendParts } from './send-parts.ts'

const PAGE_BYTES = 4096
const REPLY_BYTES = MAX_PAGES * PAGE_BYTES + PAGE_BYTES

export class Exchange {
  readonly request: Request
  /** The row of the table of opcodes that the request belongs to. */
  operation: Operation = operationOf(0)
  /** What the request asks, decoded. */
  readonly asked = new Arguments()
  /** Does what is answered in steps. */
  readonly through: Through
  /** The answer: room for the header, and behind it for the body. */
  readonly reply = Buffer.allocUnsafeSlow(REPLY_BYTES)
  /** Writes directory records into the body. */
  readonly page = new DirectoryPage(this.reply, BODY_AT)
  /** The body, when it does not stand in `reply`. */
  body: readonly Slice[] | undefined
  /** How often a resend was asked for before the request was received. */
  resends = 0

  /** Requests are received into `bytes`; steps are done at once where `through` is left out. */
  constructor(bytes: Buffer, through: Through = finish) {
    this.request = new Request(bytes)
    this.through = through
  }

  /** Takes what was received; false when it is no whole request. */
  accept(lengthBytes: number, resends: number): boolean {
    this.body = undefined
    this.resends = resends
    const isWhole = this.request.accept(lengthBytes)
    if (isWhole) this.operation = operationOf(this.request.opcode)
    return isWhole
  }

  /** Lets the answer be `bytes`; returns their length. */
  answerWith(bytes: Buffer): number {
    this.body = [{ bytes, begin: 0, lengthBytes: bytes.length }]
    return bytes.length
  }

  /** Lets the answer be `parts`; returns their length. */
  answerInParts(parts: readonly Slice[]): number {
    this.body = parts
    let lengthBytes = 0
    for (const part of parts) lengthBytes += part.lengthBytes
    return lengthBytes
  }

  /**
   * Sends an errno, or with 0 the answer, whose body is so long. Returns what
   * write(2) does, or -errno.
   */
  send(fd: number, errno: number, lengthBytes: number): number {
    const { reply } = this
    reply.writeUInt32LE(BODY_AT + lengthBytes, 0)
    reply.writeInt32LE(-errno, 4)
    // The request's unique is opaque: its bytes are copied as they are.
    const { bytes } = this.request
    for (let i = 0; i < 8; i++)
      reply[8 + i] = bytes[kernel.IN_UNIQUE + i] as number
    const body = errno === 0 ? this.body : undefined
    return sendParts(fd, reply, body, lengthBytes)
  }
}
