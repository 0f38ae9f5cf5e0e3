/**
 * Serves three files, one of which is read in steps that do not end before a
 * certain name was looked up, or it takes too long.
 *
 *     slow-reader.js MOUNTPOINT PATIENCE_MS RESEND
 *
 * Says "ready", and "reading" when the slow one is asked for.
 */

import { writeSync } from 'node:fs'
import { mountDevice } from '../src/fuse/device.ts'
import type { Attributes, FuseHandler, Slice } from '../src/fuse/handler.ts'
import { ENOSYS, FUSE_ROOT_ID, MAX_COUNTED_OPCODE } from '../src/fuse/layout.ts'
import { REQUEST_BYTES, Session } from '../src/fuse/session.ts'
import type { Steps } from '../src/steps.ts'
import { shim } from '../src/system/native.ts'

const [mountpoint = '', patience, resend] = process.argv.slice(2)
const patienceMs = Number(patience)
const NAMES = ['slow', 'second', 'awaited']
const SIZE = 32
const STEP_MS = 1

const attributesOf = (nodeId: number): Attributes => ({
  inoHigh: 0,
  inoLow: nodeId,
  mode: nodeId === FUSE_ROOT_ID ? 0o40755 : 0o100644,
  nlink: 1,
  uid: 0,
  gid: 0,
  sizeBytes: SIZE,
  blocks: 1,
  mtimeSec: 0,
  mtimeNsec: 0,
  rdevMajor: 0,
  rdevMinor: 0,
})

const nap = new Int32Array(new SharedArrayBuffer(4))
let isAwaited = true
let isSlowRead = false

const slices = (text: string): readonly Slice[] => [
  { bytes: Buffer.from(text.padEnd(SIZE)), begin: 0, lengthBytes: SIZE },
]

const handler: FuseHandler = {
  lookup(_parent, name) {
    if (name === 'awaited') isAwaited = false
    const index = NAMES.indexOf(name)
    const nodeId = FUSE_ROOT_ID + 1 + index
    return index < 0
      ? undefined
      : { nodeId, generation: 0, attributes: attributesOf(nodeId) }
  },
  getattr: attributesOf,
  *read(nodeId): Steps<readonly Slice[]> {
    if (NAMES[nodeId - FUSE_ROOT_ID - 1] !== 'slow')
      return slices(isSlowRead ? 'behind the slow one' : 'first')
    writeSync(1, 'reading\n')
    const until = performance.now() + patienceMs
    while (isAwaited && performance.now() < until) {
      Atomics.wait(nap, 0, 0, STEP_MS)
      yield
    }
    isSlowRead = true
    return slices(isAwaited ? 'waited in vain' : 'looked up meanwhile')
  },
  readlink: () => Buffer.alloc(0),
  readdir: () => undefined,
  getxattr: () => undefined,
  listxattr: () => Buffer.alloc(0),
  statfs: () => ({ blocks: 0, files: 0 }),
  forget: () => undefined,
}

const fd = mountDevice(mountpoint, 'slow-reader', 0)
new Session(fd, shim().eventfd(), handler, {
  request: Buffer.alloc(REQUEST_BYTES),
  negotiated: { minor: 0, flags: 0, flags2: 0 },
  xattrs: false,
  posixAcl: false,
  maxReadaheadBytes: 4096,
  resend: resend === 'yes',
  spinMicros: () => 0,
  counters: new Float64Array(MAX_COUNTED_OPCODE + 1),
  toErrno: () => ENOSYS,
  onReady: () => writeSync(1, 'ready\n'),
  onWake: () => true,
}).run()
