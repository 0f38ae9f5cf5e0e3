/**
 * systemd as the keeper of the keeper: it keeps the device and the shared
 * state in its descriptor store and gives them back when it starts the service
 * again. Without it all of this does nothing.
 *
 * Protocol: sd_notify(3), sd_listen_fds(3), systemd.io/FILE_DESCRIPTOR_STORE
 */

import { textToBytes } from '../bytes/byte-text.ts'
import { callerVariable } from '../system/caller.ts'
import { errnoName } from '../system/errno.ts'
import { tryShim } from '../system/native.ts'
import { writeNote } from '../system/standard-streams.ts'
import type { Kept } from './keeper.ts'
import type { StartOutcome } from './start-outcome.ts'

const NAMES = { fuse: 'dendro-fuse', state: 'dendro-state' } as const
const FIRST_DESCRIPTOR = 3

const notify = (text: string, ...fds: number[]): void => {
  const socket = callerVariable('NOTIFY_SOCKET')
  if (socket === undefined) return
  const result = tryShim()?.sendDatagram(
    textToBytes(socket),
    Buffer.from(text),
    Int32Array.from(fds),
  )
  if (result !== undefined && result < 0)
    writeNote(`dendro: cannot tell systemd: ${errnoName(-result)}\n`)
}

/** FDPOLL=0: the device of a mount without a server must not be dropped. */
export const storeDescriptors = ({ fuse, state }: Kept): void => {
  notify(`FDSTORE=1\nFDNAME=${NAMES.fuse}\nFDPOLL=0`, fuse)
  notify(`FDSTORE=1\nFDNAME=${NAMES.state}\nFDPOLL=0`, state)
}

/** The mount is gone: what was stored is of no use. */
export const forgetDescriptors = (): void => {
  for (const name of Object.values(NAMES))
    notify(`FDSTOREREMOVE=1\nFDNAME=${name}`)
}

/**
 * What a service manager hears of a start: that all is ready. It sees by the
 * exit status that it failed.
 */
export const tellServiceManager = ({ kind }: StartOutcome): void => {
  if (kind === 'ready') notify('READY=1')
}

/** The descriptors that systemd kept for this process, if it did. */
export const storedDescriptors = (): Kept | undefined => {
  if (Number(process.env['LISTEN_PID']) !== process.pid) return undefined
  const names = (process.env['LISTEN_FDNAMES'] ?? '').split(':')
  const fuse = names.indexOf(NAMES.fuse)
  const state = names.indexOf(NAMES.state)
  if (fuse < 0 || state < 0) return undefined
  return { fuse: FIRST_DESCRIPTOR + fuse, state: FIRST_DESCRIPTOR + state }
}
