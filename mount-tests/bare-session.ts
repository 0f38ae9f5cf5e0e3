/** A session of a test's own, without a repository, keeper or other threads. */

import { mountDevice } from '../src/fuse/device.ts'
import type { Attributes, FuseHandler } from '../src/fuse/handler.ts'
import { ENOSYS, FUSE_ROOT_ID } from '../src/fuse/layout.ts'
import { REQUEST_BYTES, Session } from '../src/fuse/session.ts'
import type { SessionOptions } from '../src/fuse/session.ts'
import { makeCounters } from '../src/fuse/tally.ts'
import { shim } from '../src/system/native.ts'

/** Of the root, a directory, and of files of `sizeBytes`. */
export const plainAttributes = (
  nodeId: number,
  sizeBytes: number,
): Attributes => ({
  inoHigh: 0,
  inoLow: nodeId,
  mode: nodeId === FUSE_ROOT_ID ? 0o40755 : 0o100644,
  nlink: 1,
  uid: 0,
  gid: 0,
  sizeBytes,
  blocks: 1,
  mtimeSec: 0,
  mtimeNsec: 0,
  rdevMajor: 0,
  rdevMinor: 0,
})

/** What a file system without content answers. */
export const EMPTY_HANDLER = {
  readlink: () => Buffer.alloc(0),
  readdir: () => undefined,
  seek: (_nodeId, offset) => offset,
  getxattr: () => undefined,
  listxattr: () => Buffer.alloc(0),
  statfs: () => ({ blocks: 0, files: 0 }),
  forget: () => undefined,
} satisfies Partial<FuseHandler>

export interface BareSession {
  readonly fd: number
  readonly session: Session
  readonly options: SessionOptions
}

/** Mounts at `mountpoint`; nothing is served before `session.run()`. */
export const mountBare = (
  mountpoint: string,
  handler: FuseHandler,
  wishes: Partial<SessionOptions>,
): BareSession => {
  const fd = mountDevice(mountpoint, 'bare-session', 0)
  const options: SessionOptions = {
    journal: {
      request: Buffer.alloc(REQUEST_BYTES),
      between: Buffer.alloc(REQUEST_BYTES),
    },
    negotiated: { minor: 0, flags: 0, flags2: 0 },
    xattrs: false,
    posixAcl: false,
    maxReadaheadBytes: 4096,
    resend: true,
    spinMicros: () => 0,
    counters: makeCounters(),
    toErrno: () => ENOSYS,
    onReady: () => undefined,
    onWake: () => true,
    ...wishes,
  }
  const session = new Session(fd, shim().eventfd(), handler, options)
  return { fd, session, options }
}
