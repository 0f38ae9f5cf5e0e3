/** The end of a boot: in the running machine it is confirmed. */

import { readdirSync } from '../system/files.ts'
import { join } from 'node:path'
import { fallbackTo } from '../sysroot/boot-state.ts'
import { markBooted } from '../sysroot/deployment.ts'
import type { Sysroot } from '../sysroot/session.ts'
import {
  deploymentName,
  isSameDeployment,
  shortName,
} from '../sysroot/sysroot.ts'
import type { ListedDeployment, SysrootPaths } from '../sysroot/sysroot.ts'
import { withTransaction } from '../sysroot/transaction.ts'
import { DendroError } from '../errors.ts'
import { removeIfThere } from '../system/durable-file.ts'

export interface ConfirmedBoot {
  readonly deployment: ListedDeployment
  /** Why it runs and not what was asked for; empty when it is that. */
  readonly fellBack: readonly string[]
}

/**
 * Confirms the running deployment: its count of tries begins anew. When it
 * runs in place of another one it becomes the default, so that the next boot
 * has its kernel as well. Errors: `NO_DEPLOYMENT`.
 */
export const confirmBoot = (
  sysroot: Sysroot,
  onWait?: () => void,
): Promise<ConfirmedBoot> =>
  withTransaction(sysroot, onWait, async transaction => {
    const { paths, runningHere: deployment } = transaction
    const { deployments } = transaction.state
    if (deployment === undefined)
      throw new DendroError(
        'NO_DEPLOYMENT',
        'cannot confirm a boot: no deployment runs',
        { hint: 'dendro status lists the deployments' },
      )
    markBooted(paths, deployment)
    const name = deploymentName(deployment)
    const fallback = fallbackTo(name)
    const fellBack = fallback?.why ?? []
    const [first] = deployments
    if (
      fallback !== undefined &&
      first !== undefined &&
      deploymentName(first) === fallback.wanted
    ) {
      const rest = deployments.filter(id => !isSameDeployment(id, deployment))
      await transaction.commit(
        'rollback',
        `fell back to ${shortName(deployment)}: ${fellBack.join('; ')}`,
        [deployment, ...rest],
      )
    }
    forgetTries(paths, name, deployments)
    return { deployment, fellBack }
  })

/** Those of `name`, and of deployments that are gone. */
const forgetTries = (
  { tries }: SysrootPaths,
  name: string,
  deployments: readonly ListedDeployment[],
): void => {
  const fileOf = (deployment: string) => deployment.replace('/', '.')
  const kept = new Set(deployments.map(id => fileOf(deploymentName(id))))
  kept.delete(fileOf(name))
  let files: string[]
  try {
    files = readdirSync(tries)
  } catch {
    // Nothing was counted.
    return
  }
  for (const file of files)
    if (!kept.has(file)) removeIfThere(join(tries, file))
}
