/**
 * Serves three files, one of which is read in steps that do not end before a
 * certain name was looked up, or it takes too long.
 *
 *     slow-reader.js MOUNTPOINT PATIENCE_MS RESEND
 *
 * Says "ready", and "reading" when the slow one is asked for.
 */

import { writeSync } from 'node:fs'
import type { Attributes, FuseHandler, Slice } from '../src/fuse/handler.ts'
import { FUSE_ROOT_ID } from '../src/fuse/layout.ts'
import type { Steps } from '../src/steps.ts'
import { EMPTY_HANDLER, mountBare, plainAttributes } from './bare-session.ts'

const [mountpoint = '', patience, resend] = process.argv.slice(2)
const patienceMs = Number(patience)
const NAMES = ['slow', 'second', 'awaited']
const SIZE = 32
const STEP_MS = 1

const attributesOf = (nodeId: number): Attributes =>
  plainAttributes(nodeId, SIZE)

const nap = new Int32Array(new SharedArrayBuffer(4))
let isAwaited = true
let isSlowRead = false

const slices = (text: string): readonly Slice[] => [
  { bytes: Buffer.from(text.padEnd(SIZE)), begin: 0, lengthBytes: SIZE },
]

const handler: FuseHandler = {
  ...EMPTY_HANDLER,
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
}

mountBare(mountpoint, handler, {
  resend: resend === 'yes',
  onReady: () => writeSync(1, 'ready\n'),
}).session.run()
