/** Answers a request as its row of the table of opcodes says. */

import type { Exchange } from './exchange.ts'
import { FuseErrno } from './handler.ts'
import { ENOSYS } from './layout.ts'
import type { Served } from './operation.ts'

/**
 * Prepares the answer to the request in `exchange`; returns the length of its
 * body, or `NO_REPLY`. Throws `FuseErrno`, or what the handler throws.
 */
export const answerRequest = (exchange: Exchange, served: Served): number => {
  const { answer, isServed, refused = ENOSYS } = exchange.operation
  if (answer === undefined || isServed?.(served.options) === false)
    throw FuseErrno.of(refused)
  return answer(exchange, served)
}
