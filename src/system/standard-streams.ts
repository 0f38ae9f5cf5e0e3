/**
 * Standard output and error, written at once.
 *
 * Node's streams tell of a failed write later, to nobody in particular. These
 * calls return when the bytes have gone or throw: output that is lost is an
 * error of the command that made it.
 */

import { errnoOf } from '../errors.ts'
import { textToBytes } from '../bytes/byte-text.ts'
import { writeSync } from './files.ts'

const OUTPUT = 1
const ERROR = 2
const FULL_PIPE_WAIT_MS = 1

const pause = (): void => {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  Atomics.wait(cell, 0, 0, FULL_PIPE_WAIT_MS)
}

/**
 * Writes all of `bytes` to standard output; a pipe that is full and does not
 * block is waited for. System errors: ENOSPC, EPIPE, EBADF.
 */
export const writeOutput = (bytes: Uint8Array): void => {
  let done = 0
  while (done < bytes.length)
    try {
      done += writeSync(OUTPUT, bytes, done)
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error
      pause()
    }
}

/** Writes to standard error, as far as anybody takes it: nothing is left to tell. */
export const writeNote = (text: string): void => {
  try {
    writeSync(ERROR, textToBytes(text))
  } catch {
    // Closed, full, or a pipe whose reader is gone or does not read.
  }
}
