/** Changes of the list of deployments: rollback, pin, undeploy. */

import { DendroError } from '../errors.ts'
import { noDeployment } from './plan-deploy.ts'
import type { Sysroot } from '../sysroot/session.ts'
import {
  deploymentName,
  isSameDeployment,
  shortName,
} from '../sysroot/sysroot.ts'
import type { ListedDeployment, SysrootState } from '../sysroot/sysroot.ts'
import { withTransaction } from '../sysroot/transaction.ts'

/** The deployment of an index as `status` shows it. Errors: `NO_DEPLOYMENT`. */
export const deploymentAt = (
  state: SysrootState,
  index: number,
): ListedDeployment => {
  const found = state.deployments[index]
  if (found !== undefined) return found
  if (state.deployments.length === 0) throw noDeployment()
  throw new DendroError(
    'NO_DEPLOYMENT',
    `there is no deployment ${index}: the last is ${state.deployments.length - 1}`,
    { hint: 'dendro status lists them' },
  )
}

/**
 * Makes another deployment the default: the one of `index`, or the running one
 * when another is pending, or the one before. Errors: `NO_DEPLOYMENT`.
 */
export const rollback = (
  sysroot: Sysroot,
  index: number | undefined,
  onWait?: () => void,
): Promise<ListedDeployment> =>
  withTransaction(sysroot, onWait, async transaction => {
    const { state } = transaction
    const chosen = chooseRollback(transaction, index)
    const rest = state.deployments.filter(id => !isSameDeployment(id, chosen))
    await transaction.commit('rollback', `rollback to ${shortName(chosen)}`, [
      chosen,
      ...rest,
    ])
    return chosen
  })

const chooseRollback = (
  { state, runningHere: running }: Sysroot,
  index: number | undefined,
): ListedDeployment => {
  const [first] = state.deployments
  if (first === undefined) throw noDeployment()
  if (index !== undefined) {
    const chosen = deploymentAt(state, index)
    if (index > 0) return chosen
    throw new DendroError(
      'INVALID_ARGUMENT',
      `cannot roll back to ${shortName(chosen)}: it is the default already`,
      { hint: 'dendro status lists the others' },
    )
  }
  const chosen =
    running !== undefined && !isSameDeployment(running, first)
      ? running
      : state.deployments[1]
  if (chosen !== undefined) return chosen
  throw new DendroError(
    'NO_DEPLOYMENT',
    'cannot roll back: there is only one deployment',
    { hint: 'dendro deploy REV~1 deploys the version before' },
  )
}

/** Pins a deployment, or no longer. Errors: `NO_DEPLOYMENT`. */
export const setPinned = (
  sysroot: Sysroot,
  index: number,
  isPinned: boolean,
  onWait?: () => void,
): Promise<ListedDeployment> =>
  withTransaction(sysroot, onWait, async transaction => {
    const { state } = transaction
    const chosen = deploymentAt(state, index)
    if (chosen.isPinned === isPinned) return chosen
    const kind = isPinned ? 'pin' : 'unpin'
    await transaction.commit(
      kind,
      `${kind} ${shortName(chosen)}`,
      state.deployments.map(id =>
        isSameDeployment(id, chosen) ? { ...id, isPinned } : id,
      ),
    )
    return { ...chosen, isPinned }
  })

/**
 * Removes a deployment; it stays in the history.
 * Errors: `NO_DEPLOYMENT`, `DEPLOYMENT_IN_USE`.
 */
export const undeploy = (
  sysroot: Sysroot,
  index: number,
  onWait?: () => void,
): Promise<ListedDeployment> =>
  withTransaction(sysroot, onWait, async transaction => {
    const { state } = transaction
    const chosen = deploymentAt(state, index)
    const running = transaction.running.get(deploymentName(chosen))
    const inUse = (why: string, hint: string): DendroError =>
      new DendroError(
        'DEPLOYMENT_IN_USE',
        `cannot undeploy ${shortName(chosen)}: ${why}`,
        { hint },
      )
    if (running !== undefined)
      throw inUse(
        `it runs, its /etc is mounted at ${running.mountpoint}${running.pid === undefined ? '' : ` for process ${running.pid}`}`,
        running.pid === undefined
          ? 'boot another deployment first'
          : 'end the process first',
      )
    if (chosen.isPinned) throw inUse('it is pinned', `dendro unpin ${index}`)
    await transaction.commit(
      'undeploy',
      `undeploy ${shortName(chosen)}`,
      state.deployments.filter(id => !isSameDeployment(id, chosen)),
    )
    transaction.dropUnlisted()
    return chosen
  })
