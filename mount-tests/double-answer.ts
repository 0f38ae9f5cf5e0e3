/**
 * Serves a directory and answers a look-up behind its session's back: the
 * session's own answer then goes to nobody.
 *
 *     double-answer.js MOUNTPOINT
 *
 * Looks the name up, unmounts and prints what the session made of it.
 */

import { spawn } from 'node:child_process'
import { writeSync } from 'node:fs'
import type { FuseHandler } from '../src/fuse/handler.ts'
import { ENOENT, IN_UNIQUE, OUT_HEADER_BYTES } from '../src/fuse/layout.ts'
import { opcodeName } from '../src/fuse/opcodes.ts'
import { outcomesOf, outstandingIn } from '../src/fuse/tally.ts'
import { EMPTY_HANDLER, mountBare, plainAttributes } from './bare-session.ts'

const mountpoint = process.argv[2] as string
const stray: string[] = []

const answerNow = (): void => {
  const reply = Buffer.alloc(OUT_HEADER_BYTES)
  reply.writeUInt32LE(reply.length, 0)
  reply.writeInt32LE(-ENOENT, 4)
  options.journal.request.copy(reply, 8, IN_UNIQUE, IN_UNIQUE + 8)
  writeSync(fd, reply)
}

const handler: FuseHandler = {
  ...EMPTY_HANDLER,
  lookup(_parent, name) {
    if (name === 'twice') answerNow()
    return undefined
  },
  getattr: nodeId => plainAttributes(nodeId, 0),
  *read() {
    return []
  },
}

const { fd, session, options } = mountBare(mountpoint, handler, {
  onStray: opcode => stray.push(opcodeName(opcode)),
})
const script = 'test ! -e "$1/once" && test ! -e "$1/twice" && umount "$1"'
spawn('sh', ['-c', script, 'sh', mountpoint], { stdio: 'inherit' })
session.run()
const { counters } = options
const { unwanted } = outcomesOf(counters)
const outstanding = outstandingIn(counters)
console.log(JSON.stringify({ stray, unwanted, outstanding }))
