/**
 * The merge into the pending deployment once more, as the machine goes down:
 * what was changed in the running /etc since comes along.
 *
 * It acts only on a deployment that waits for its first boot and that was
 * merged from the one that runs. A deployment that was booted has an /etc of
 * its own. docs/etc-merge.md, "Once more"
 */

import { carryOut, retrying } from './deploy.ts'
import type { Deployed } from './deploy.ts'
import { wasBooted } from '../sysroot/deployment.ts'
import { noDeployment, planFor } from './plan-deploy.ts'
import type { Sysroot } from '../sysroot/session.ts'
import {
  deploymentName,
  isSameDeployment,
  shortName,
} from '../sysroot/sysroot.ts'
import type { ListedDeployment } from '../sysroot/sysroot.ts'
import { withTransaction } from '../sysroot/transaction.ts'

/** A deployment that a merge may be made into again, and whose /etc goes in. */
interface Remergeable {
  readonly pending: ListedDeployment
  readonly from: ListedDeployment
}

/** What can be merged again, or why nothing can. Errors: `NO_DEPLOYMENT`. */
export const remergeable = (sysroot: Sysroot): Remergeable | string => {
  const { deployments } = sysroot.state
  const [pending] = deployments
  if (pending === undefined) throw noDeployment()
  const running = sysroot.runningHere
  if (running !== undefined && isSameDeployment(running, pending))
    return 'the default deployment runs, and none is pending'
  const name = shortName(pending)
  if (sysroot.running.has(deploymentName(pending)))
    return `a command runs in ${name}, and its /etc stays as it is`
  const record = sysroot.recordOf(pending)
  if (record.mergedFrom === null) return `no /etc was merged into ${name}`
  if (wasBooted(sysroot.paths, pending))
    return `${name} was booted before, and its /etc stays as it is`
  // Where nothing runs, a sysroot of another machine is meant.
  const from =
    running ?? deployments.find(id => deploymentName(id) === record.mergedFrom)
  if (from === undefined)
    return `the deployment that ${name} was merged from is not there`
  if (deploymentName(from) !== record.mergedFrom)
    return `another /etc than the running one was merged into ${name}`
  if (record.merged === undefined)
    return `${name} was made by an older dendro, which did not write down how it left its /etc`
  return { pending, from }
}

export type Remerged = Deployed | { readonly nothing: string }

/**
 * Merges the running /etc into the pending deployment again, or tells why there
 * is nothing to do. Errors: `NO_DEPLOYMENT`, those of `deploy`.
 */
export const remerge = (
  sysroot: Sysroot,
  onWait?: () => void,
): Promise<Remerged> =>
  withTransaction(sysroot, onWait, transaction =>
    retrying(transaction, async () => {
      const found = remergeable(transaction)
      if (typeof found === 'string') return { nothing: found }
      const { pending, from } = found
      await transaction.lockLayer(pending)
      const { origin, mergedFingerprint, merged } =
        transaction.recordOf(pending)
      const layout = transaction.layoutOf(pending)
      const planned = planFor(transaction, layout, from, pending)
      const isSame =
        planned.plan.fingerprint === mergedFingerprint &&
        String(transaction.recordOf(from).owned) === String(merged?.owned)
      if (isSame) return { nothing: '/etc was not changed since' }
      const { os } = pending
      return carryOut(
        transaction,
        {
          ...planned,
          layout,
          os,
          origin,
          from,
          prepared: pending,
          context: pending,
        },
        { kind: 'remerge', keep: Infinity, replaces: pending },
      )
    }),
  )
