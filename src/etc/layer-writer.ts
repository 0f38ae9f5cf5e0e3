/** Applies a plan: makes the layer of a new deployment. */

import { latin1ToBytes } from '../bytes/latin1.ts'
import { syncDirectory } from '../system/disk.ts'
import { makeEtcNode, makeWhiteout, setMetadata } from './node-writer.ts'
import type { EtcNode, Maybe } from './etc-node.ts'
import { ancestorsOf, isInLayer } from './plan.ts'
import type { Defaults, MergePlan, PlanItem } from './plan.ts'

export interface LayerPlan extends MergePlan {
  readonly theirs: Defaults
  readonly owned: ReadonlySet<string>
}

/**
 * Makes the directory `upper` (raw path, absent) hold exactly what the plan
 * says beyond the new defaults. Durable when it returns, but for its own name.
 */
export const writeLayer = (plan: LayerPlan, upper: string): void => {
  const items = new Map(plan.items.map(item => [item.path, item]))
  const made = new Set<string>()
  const full = (path: string) => (path === '' ? upper : `${upper}/${path}`)
  const nodeAt = (path: string): Maybe => {
    const item = items.get(path)
    return item === undefined ? plan.theirs.get(path) : item.result
  }
  const makeDirectoryAt = (path: string): void => {
    if (made.has(path)) return
    makeEtcNode(full(path), nodeAt(path) ?? ROOT)
    made.add(path)
  }
  makeDirectoryAt('')
  for (const item of plan.items) {
    if (item.path === '' || !needsEntry(item, plan)) continue
    for (const path of ancestorsOf(item.path)) makeDirectoryAt(path)
    if (item.result === undefined) makeWhiteout(full(item.path))
    else if (item.result.kind === 'directory') makeDirectoryAt(item.path)
    else makeEtcNode(full(item.path), item.result)
  }
  for (const path of made) {
    // Making entries has changed nothing but the times; names become durable.
    const node = nodeAt(path)
    if (node !== undefined) setMetadata(latin1ToBytes(full(path)), node)
    syncDirectory(latin1ToBytes(full(path)))
  }
}

/** Defaults without a directory of their own, of a system without /etc. */
const ROOT: EtcNode = {
  kind: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  xattrs: [],
}

const needsEntry = (item: PlanItem, plan: LayerPlan): boolean => {
  if (!isInLayer(item, plan.owned.has(item.path))) return false
  // A name is only hidden where its directory shows it.
  return item.result !== undefined || plan.theirs.get(item.path) !== undefined
}
