/** How deployments and merges look to a person and in JSON. */

import { latin1ToDisplay } from '../../bytes/latin1.ts'
import type { Deployed } from '../../deploy/deploy.ts'
import type { PackageChange } from '../../packages/packages.ts'
import { deploymentName, shortName } from '../../sysroot/sysroot.ts'
import type { EtcNode } from '../../etc/etc-node.ts'
import { isInLayer } from '../../etc/plan.ts'
import type { PlanItem } from '../../etc/plan.ts'
import type { PlannedMerge } from '../../etc/merge.ts'
import { formatBytes } from '../../units.ts'
import { counted, jsonPath, noteDone, print, printJson } from './output.ts'

/** `/etc/...` as a person reads it. */
export const etcPath = (path: string): string => `/etc/${latin1ToDisplay(path)}`

const outcomeOf = (item: PlanItem, plan: PlannedMerge): string => {
  if (item.conflict !== undefined) return 'conflict'
  if (item.source === 'merged') return 'merged'
  if (item.source === 'theirs' || !isInLayer(item, plan.owned.has(item.path)))
    return 'default'
  return item.result === undefined ? 'removed' : 'kept'
}

/** One line for each path that I changed: what becomes of it. */
export const planLines = (plan: PlannedMerge): string[] =>
  plan.items.map(item => {
    const outcome = outcomeOf(item, plan).padEnd(8)
    const why = item.conflict === undefined ? '' : ` (${item.conflict})`
    return `${outcome} ${etcPath(item.path)}${why}`
  })

export const planToJson = (plan: PlannedMerge) =>
  plan.items.map(item => ({
    ...jsonPath(item.path),
    outcome: outcomeOf(item, plan),
    base: kindOf(item.base),
    mine: kindOf(item.mine),
    theirs: kindOf(item.theirs),
    ...(item.conflict === undefined ? {} : { conflict: item.conflict }),
  }))

const kindOf = (node: EtcNode | undefined): string => node?.kind ?? 'absent'

const TITLES = [
  ['upgraded', 'Upgraded'],
  ['downgraded', 'Downgraded'],
  ['removed', 'Removed'],
  ['added', 'Added'],
] as const

export const packageLines = (changes: readonly PackageChange[]): string[] =>
  TITLES.flatMap(([kind, title]) => {
    const some = changes.filter(change => change.kind === kind)
    if (some.length === 0) return []
    return [
      `${title}:`,
      ...some.map(({ name, before, after }) =>
        before !== undefined && after !== undefined
          ? `  ${name} ${before} -> ${after}`
          : `  ${name} ${before ?? after ?? ''}`,
      ),
    ]
  })

export const printDeployed = (deployed: Deployed, isJson: boolean): void => {
  const {
    deployment,
    version,
    plan,
    conflicts,
    removed,
    freedBytes,
    packages,
  } = deployed
  noteDone(`deployed ${deploymentName(deployment)}`)
  if (isJson) {
    printJson({
      deployment: deploymentName(deployment),
      ...deployment,
      version,
      origin: deployed.origin,
      mergedFrom:
        deployed.mergedFrom === undefined
          ? null
          : deploymentName(deployed.mergedFrom),
      etc: planToJson(plan),
      conflicts: conflicts.map(({ path, why }) => ({ ...jsonPath(path), why })),
      removed: removed.map(deploymentName),
      freedBytes,
      packages: packages ?? null,
    })
    return
  }
  const change = 1 - removed.length
  print(
    `Transaction complete; bootconfig swap: yes; deployment count change: ${change}`,
  )
  print(
    `Deployed ${shortName(deployment)}${version === null ? '' : ` (${version})`}`,
  )
  if (removed.length > 0)
    print(
      `Freed: ${formatBytes(freedBytes)} (${counted(removed.length, 'deployment')}; dendro prune frees their objects)`,
    )
  const count = (outcome: string) =>
    plan.items.filter(item => outcomeOf(item, plan) === outcome).length
  if (plan.items.length > 0)
    print(
      `Merged /etc: ${count('kept') + count('removed')} of your changes kept, ${count('merged')} merged, ${count('default')} now defaults, ${counted(conflicts.length, 'conflict')}`,
    )
  for (const { path, why } of conflicts)
    print(`  conflict ${etcPath(path)}: ${why}; yours is in force`)
  if (packages !== undefined)
    for (const line of packageLines(packages)) print(line)
  if (conflicts.length > 0)
    print('Run "dendro etc conflicts" to see the conflicts and settle them')
  print('Run "systemctl reboot" to start into it, "dendro rollback" to go back')
}
