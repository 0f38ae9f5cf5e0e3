/** How many requests of a connection are not answered, as the kernel counts. */

import { descriptorPath, readFileSync } from '../system/files.ts'
import { detachedMount } from '../system/mounts.ts'

const CONNECTIONS = '/sys/fs/fuse/connections'

// Mounted once a process: the descriptor stays open as long as it lives.
let control: string | undefined

/**
 * Where fusectl is to be looked at. In a mount namespace that does not have it
 * (a container, the jail of a machine's root server) root has one of his own.
 */
const fusectl = (): string => {
  if (control !== undefined) return control
  const fd = detachedMount('fusectl')
  control = fd === undefined ? CONNECTIONS : descriptorPath(fd)
  return control
}

const read = (directory: string, minor: string): number | undefined => {
  try {
    return Number(readFileSync(`${directory}/${minor}/waiting`, 'latin1'))
  } catch {
    return undefined
  }
}

/**
 * Requests of the connection behind a mount with `device` ("0:52") that are
 * queued or sent and not answered; undefined where the system does not tell.
 * Never waits for a server. Source: fs/fuse/control.c
 */
export const waitingRequests = (
  device: string | undefined,
): number | undefined => {
  const minor = device?.split(':')[1]
  if (minor === undefined) return undefined
  return read(CONNECTIONS, minor) ?? read(fusectl(), minor)
}
