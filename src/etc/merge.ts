/** Brings the three sides together and plans: what `deploy` does and `--dry-run` shows. */

import type { CommitDefaults } from './defaults.ts'
import { digestOfBytes } from './defaults.ts'
import { readWhole } from './etc-node.ts'
import type { Maybe } from './etc-node.ts'
import { layerFingerprint, readLayer } from './layer.ts'
import type { Changes } from './layer.ts'
import type { Sysusers } from './merge-accounts.ts'
import type { OwnedPaths } from './owned.ts'
import { planMerge } from './plan.ts'
import type { LayerPlan } from './layer-writer.ts'
import { parsePolicy, POLICY_FILE } from './policy.ts'

export interface MergeSides {
  /** The layer that is carried over; undefined for a first deployment. */
  readonly upper: string | undefined
  readonly base: CommitDefaults
  readonly theirs: CommitDefaults
  readonly owned: OwnedPaths
  readonly sysusers?: Sysusers
}

export interface PlannedMerge extends LayerPlan {
  readonly theirs: CommitDefaults
  readonly changes: Changes
  /** The layer as it was read. */
  readonly fingerprint: string
}

/** Errors: `INVALID_ARGUMENT` (a bad policy file), system errors, damage. */
export const planEtcMerge = (sides: MergeSides): PlannedMerge => {
  const { base, theirs, owned } = sides
  const changes: Changes =
    sides.upper === undefined
      ? new Map<string, Maybe>()
      : readLayer(sides.upper, base)
  const policyNode: Maybe = changes.has(POLICY_FILE)
    ? changes.get(POLICY_FILE)
    : (base.get(POLICY_FILE) ?? theirs.get(POLICY_FILE))
  const policyText =
    policyNode?.kind === 'file' ? readWhole(policyNode)?.toString('latin1') : ''
  const plan = planMerge({
    changes,
    base,
    theirs,
    isSameBelow: path => base.isSameBelow(path, theirs),
    policy: parsePolicy(policyText ?? ''),
    owned,
    ...(sides.sysusers === undefined ? {} : { sysusers: sides.sysusers }),
    digestOf: digestOfBytes,
  })
  return {
    items: plan.items,
    theirs,
    owned,
    changes,
    fingerprint: layerFingerprint(changes),
  }
}
