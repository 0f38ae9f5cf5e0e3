/**
 * What a request asks, decoded: one object for each exchange, filled anew by
 * each request. Only what the request's row of the table of opcodes decodes is
 * of that request; all else is of one before it.
 */
export class Arguments {
  /** The node in the request's header. */
  nodeId = 0
  name = ''
  /** In a file, or a cookie of a directory. Above 2^53 it is infinite, where that may be. */
  offset = 0
  /** How many bytes are wanted at most. */
  lengthBytes = 0
  /** How many lookups the kernel drops. */
  count = 0
  whence = 0
  command = 0
}
