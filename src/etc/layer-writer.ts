/** Applies a plan: makes the layer of a new deployment. */

import type { Maybe } from './etc-node.ts'
import { inParent, LayerTree } from './layer-tree.ts'
import { UPDATE_MARK } from './layer.ts'
import { makeEtcNode, makeWhiteout } from './node-writer.ts'
import type { OwnedPaths } from './owned.ts'
import { isInLayer } from './plan.ts'
import type { Defaults, MergePlan, PlanItem } from './plan.ts'
import { ancestorsOf } from './raw-path.ts'

export interface LayerPlan extends MergePlan {
  readonly theirs: Defaults
  readonly owned: OwnedPaths
}

/**
 * Makes the directory `upper` (raw path, absent) hold exactly what the plan
 * says beyond the new defaults. Durable when it returns, but for its own name.
 */
export const writeLayer = (plan: LayerPlan, upper: string): void => {
  const items = new Map(plan.items.map(item => [item.path, item]))
  const nodeAt = (path: string): Maybe => {
    const item = items.get(path)
    return item === undefined ? plan.theirs.get(path) : item.result
  }
  inParent(upper, (parent, name) => {
    const tree = new LayerTree(parent, name, nodeAt)
    try {
      // What was done when the tree was made was not done for this machine.
      if (plan.theirs.get(UPDATE_MARK) !== undefined)
        tree.entry(UPDATE_MARK, makeWhiteout)
      for (const item of plan.items) {
        const { path, result } = item
        if (path === '' || !needsEntry(item, plan)) continue
        const isHidden = ancestorsOf(path).some(
          above => nodeAt(above)?.kind !== 'directory',
        )
        if (isHidden && result === undefined) continue
        if (result?.kind === 'directory') tree.directory(path)
        else
          tree.entry(path, (directory, entry) => {
            if (result === undefined) makeWhiteout(directory, entry)
            else makeEtcNode(directory, entry, result)
          })
      }
      tree.finish()
    } finally {
      tree.close()
    }
  })
}

const needsEntry = (item: PlanItem, plan: LayerPlan): boolean => {
  if (!isInLayer(item, plan.owned.has(item.path))) return false
  // A name is only hidden where its directory shows it.
  return item.result !== undefined || plan.theirs.get(item.path) !== undefined
}
