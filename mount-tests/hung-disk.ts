/**
 * Serves one file that can be looked at and opened, and whose reads never end.
 *
 *     hung-disk.js MOUNTPOINT SIZE
 *
 * The file is MOUNTPOINT/file. Says "ready".
 */

import { writeSync } from 'node:fs'
import type { FuseHandler } from '../src/fuse/handler.ts'
import { FUSE_ROOT_ID } from '../src/fuse/layout.ts'
import { EMPTY_HANDLER, mountBare, plainAttributes } from './bare-session.ts'

const [mountpoint = '', size] = process.argv.slice(2)
const FILE = FUSE_ROOT_ID + 1
const NAP_MS = 10
const nap = new Int32Array(new SharedArrayBuffer(4))
const attributes = (nodeId: number) => plainAttributes(nodeId, Number(size))

const handler: FuseHandler = {
  ...EMPTY_HANDLER,
  lookup: (_parent, name) =>
    name === 'file'
      ? { nodeId: FILE, generation: 0, attributes: attributes(FILE) }
      : undefined,
  getattr: attributes,
  *read() {
    for (;;) {
      Atomics.wait(nap, 0, 0, NAP_MS)
      yield
    }
  },
}

const onReady = (): void => {
  writeSync(1, 'ready\n')
}
mountBare(mountpoint, handler, { onReady }).session.run()
