/** Three-way merge of owner, mode and xattrs. Pure. */

import { changedMetadata } from './etc-node.ts'
import type { EtcMetadata, EtcNode, Maybe } from './etc-node.ts'

/** The merged fields, or which of them both sides changed. */
export const mergeMetadata = (
  base: Maybe,
  mine: EtcNode,
  theirs: EtcNode,
): EtcMetadata | string => {
  const here = base === undefined ? [] : changedMetadata(base, mine)
  const there = base === undefined ? [] : changedMetadata(base, theirs)
  const differing = changedMetadata(mine, theirs)
  const overlap = differing.find(
    name => base === undefined || (here.includes(name) && there.includes(name)),
  )
  if (overlap !== undefined) return `both changed its ${overlap}`
  const from = (name: string): EtcNode => (here.includes(name) ? mine : theirs)
  return {
    mode: from('mode').mode,
    uid: from('owner').uid,
    gid: from('group').gid,
    xattrs: from('xattrs').xattrs,
  }
}
