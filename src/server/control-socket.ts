/**
 * The path of a server's control socket, short enough for a socket address.
 *
 * sockaddr_un holds 107 bytes, and what is longer would be cut off in silence;
 * a long directory, and one whose name is not UTF-8, is therefore named by a
 * descriptor of it.
 */

import { descriptorPath, openSync } from '../system/files.ts'
import { join } from 'node:path'
import { isEscaped } from '../bytes/byte-text.ts'
import { RUNTIME_FILE } from '../system/protocol.ts'

const MAX_ADDRESS_BYTES = 107

const descriptors = new Map<string, number>()

/** An address of the socket, valid in this process. */
export const controlAddress = (runtimeDirectory: string): string => {
  const path = join(runtimeDirectory, RUNTIME_FILE.controlSocket)
  if (!isEscaped(path) && Buffer.byteLength(path) <= MAX_ADDRESS_BYTES)
    return path
  let fd = descriptors.get(runtimeDirectory)
  if (fd === undefined) {
    fd = openSync(runtimeDirectory, 'r')
    descriptors.set(runtimeDirectory, fd)
  }
  return `${descriptorPath(fd)}/${RUNTIME_FILE.controlSocket}`
}
