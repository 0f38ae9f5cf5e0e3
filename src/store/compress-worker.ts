/** A worker thread that turns plain frames into stored ones. */

import { parentPort } from 'node:worker_threads'
import { encodeFrame } from './frame.ts'

export interface CompressRequest {
  readonly sequence: number
  readonly table: Uint8Array
  readonly plain: Uint8Array
}

export interface CompressReply {
  readonly sequence: number
  readonly frame: Uint8Array
}

parentPort?.on('message', (request: CompressRequest) => {
  const frame = encodeFrame({
    table: Buffer.from(request.table.buffer),
    plain: request.plain,
  })
  const reply: CompressReply = { sequence: request.sequence, frame }
  parentPort?.postMessage(reply, [frame.buffer as ArrayBuffer])
})
