/** A worker thread that turns plain frames into stored ones. */

import { parentPort } from 'node:worker_threads'
import { encodeFrame } from './frame.ts'

export interface CompressRequest {
  readonly sequence: number
  readonly table: Uint8Array
  readonly plain: Uint8Array
  /** Where the frame may be written. */
  readonly into: ArrayBuffer | undefined
  /** Of zstd; undefined for that of the frame's kind. */
  readonly level: number | undefined
}

export interface CompressReply {
  readonly sequence: number
  readonly frame: Uint8Array
  /** The memory that `plain` stood in, given back. */
  readonly plain: ArrayBuffer
}

parentPort?.on('message', (request: CompressRequest) => {
  const { sequence, plain, into, level } = request
  const table = Buffer.from(request.table.buffer)
  const frame = encodeFrame({ table, plain }, into, level)
  const reply: CompressReply = {
    sequence,
    frame,
    plain: plain.buffer as ArrayBuffer,
  }
  parentPort?.postMessage(reply, [frame.buffer as ArrayBuffer, reply.plain])
})
