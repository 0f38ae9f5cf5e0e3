/**
 * Paths over node ids: what a transport that only knows paths needs.
 *
 * Every node on the way is looked up for one operation and forgotten after it,
 * so the node table never grows.
 */

import { textToLatin1 } from '../bytes/latin1.ts'
import { FuseErrno } from './handler.ts'
import type { FuseHandler } from './handler.ts'
import { ENOENT, FUSE_ROOT_ID } from './layout.ts'

/** Calls `use` with the node at `path` (text, as the transport decoded it). */
export const withPath = <T>(
  handler: FuseHandler,
  path: string,
  use: (nodeId: number) => T,
): T => {
  const held: number[] = []
  try {
    let nodeId = FUSE_ROOT_ID
    for (const part of path.split('/')) {
      if (part === '') continue
      const entry = handler.lookup(nodeId, textToLatin1(part))
      if (entry === undefined) throw FuseErrno.of(ENOENT)
      nodeId = entry.nodeId
      held.push(nodeId)
    }
    return use(nodeId)
  } finally {
    for (const nodeId of held.reverse()) handler.forget(nodeId, 1)
  }
}

/** Names and nothing else of a directory. */
export const listNames = (handler: FuseHandler, nodeId: number): string[] => {
  const names: string[] = []
  handler.readdir(nodeId, 0, {
    add: name => {
      if (name !== '.' && name !== '..')
        names.push(Buffer.from(name, 'latin1').toString('utf8'))
      return true
    },
  })
  return names
}
