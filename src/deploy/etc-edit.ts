/**
 * How a deployment's /etc is changed by a verb: planned, tried, logged between
 * two snapshots of the layer, and done.
 */

import { textToLatin1 } from '../bytes/latin1.ts'
import type { EffectiveEtc } from '../etc/effective-etc.ts'
import type { EtcTarget, PreparedPuts } from '../etc/etc-target.ts'
import { layerTarget } from '../etc/layer-rewrite.ts'
import { isLeftBehind, mountedTarget } from '../etc/mounted-etc.ts'
import { OwnedPaths } from '../etc/owned.ts'
import { ancestorsOf } from '../etc/raw-path.ts'
import type { EtcPut } from '../etc/put-changes.ts'
import type { DeploymentRecord } from '../sysroot/deployment.ts'
import { chooseDeployment, readEtc, shownPath } from './etc-view.ts'
import type { EtcView } from './etc-view.ts'
import { openRunningEtc } from '../root/running-etc.ts'
import type { Sysroot } from '../sysroot/session.ts'
import { takeSnapshot } from '../sysroot/snapshots.ts'
import { deploymentName, shortName } from '../sysroot/sysroot.ts'
import { withTransaction } from '../sysroot/transaction.ts'
import type { Transaction } from '../sysroot/transaction.ts'

/** A change of a deployment's /etc that is known and not done yet. */
export interface Edit {
  /** Raw paths that are told and logged; taking it back puts what is below. */
  readonly paths: readonly string[]
  readonly puts: readonly EtcPut[]
  /** What the deployment's record becomes; undefined where it stays. */
  readonly record?: DeploymentRecord | undefined
}

/** Puts that make `now` be as `then` at the paths (in order) and nowhere else. */
export const putsTowards = (
  then: Pick<EffectiveEtc, 'get'>,
  now: EffectiveEtc,
  paths: readonly string[],
): EtcPut[] => {
  const wanted = new Set(paths)
  const puts: EtcPut[] = []
  // What is to go goes from the leaves up; what comes back comes down.
  for (const path of [...paths].reverse())
    if (then.get(path) === undefined) puts.push({ path, node: undefined })
  for (const path of paths) {
    const node = then.get(path)
    if (node === undefined) continue
    for (const above of ancestorsOf(path)) {
      if (wanted.has(above) || now.get(above) !== undefined) continue
      wanted.add(above)
      puts.push({ path: above, node: then.get(above) })
    }
    puts.push({ path, node })
  }
  return puts
}

/** Paths of the puts without those that stand for themselves in one above. */
export const toldPaths = (
  now: EffectiveEtc,
  puts: readonly EtcPut[],
): string[] => {
  const all = new Set(puts.map(({ path }) => path))
  return [...all].filter(
    path =>
      !ancestorsOf(path).some(
        above => all.has(above) && now.get(above)?.kind !== 'directory',
      ),
  )
}

/** Which deployment's /etc, and how it is told. */
export interface EditOf {
  /** As `status` has it; the running one, else the default, if undefined. */
  readonly index: number | undefined
  /** The verb, for the log. */
  readonly kind: string
  readonly onWait?: (() => void) | undefined
}

/** Runs one change between two snapshots; the paths that changed. */
export const edit = (
  sysroot: Sysroot,
  { index, kind, onWait }: EditOf,
  plan: (view: EtcView) => Edit,
): Promise<readonly string[]> =>
  withTransaction(sysroot, onWait, async transaction => {
    const view = await lockEtc(transaction, index)
    return carryOut(transaction, view, plan(view), { kind })
  })

/** The /etc that is to be changed, with its layer locked. */
export const lockEtc = async (
  transaction: Transaction,
  index: number | undefined,
): Promise<EtcView> => {
  const deployment = chooseDeployment(transaction, index)
  await transaction.lockLayer(deployment)
  return readEtc(transaction, deployment)
}

export interface LoggedAs {
  readonly kind: string
  /** What the log says; made of kind and paths when it is left out. */
  readonly text?: string
  readonly undoes?: string
}

/**
 * Does what was planned. What cannot be done is found out before, and is no
 * operation. The rest is logged before it is done: what is cut short is in the
 * log with what was tried, and can be taken back. Nothing planned is no
 * operation. The layer is locked since before `view` was read. Errors: those of
 * the target, with what was done until then logged.
 */
export const carryOut = async (
  transaction: Transaction,
  view: EtcView,
  planned: Edit,
  logged: LoggedAs,
): Promise<readonly string[]> => {
  if (planned.paths.length === 0 && planned.record === undefined) return []
  const { target, close } = openTarget(transaction, view)
  let prepared: PreparedPuts | undefined
  try {
    if (planned.puts.length > 0)
      prepared = target.prepare([...leftBehind(view), ...planned.puts])
    await logAndDo(transaction, view, { planned, logged }, onPut =>
      prepared?.carryOut(onPut),
    )
  } finally {
    prepared?.close()
    close()
  }
  return planned.paths
}

/** What a change that was killed has left in a mounted /etc goes with the next. */
const leftBehind = ({ changes }: EtcView): EtcPut[] =>
  [...changes.keys()]
    .filter(isLeftBehind)
    .map(path => ({ path, node: undefined }))

interface Told {
  readonly planned: Edit
  readonly logged: LoggedAs
}

const logAndDo = async (
  transaction: Transaction,
  view: EtcView,
  { planned: { paths, puts, record }, logged: { kind, text, undoes } }: Told,
  work: (onPut: (path: string) => void) => void,
): Promise<void> => {
  const { deployment } = view
  const take = async (subject: string): Promise<string> =>
    (await takeSnapshot(transaction, deployment, subject)).snapshot
  const before = await take(`before ${kind}`)
  const said = (done: readonly string[]): string =>
    text ?? `${kind} ${shownPaths(done)} in ${shortName(deployment)}`
  const details = {
    ...(undoes === undefined ? {} : { undoes }),
    deployment: deploymentName(deployment),
    record: view.record,
  }
  await transaction.commit(kind, said(paths), transaction.state.deployments, {
    ...details,
    // What only the record says leaves nothing to be put back.
    paths: puts.length === 0 ? [] : paths,
    snapshots: { before },
  })
  const tried = new Set<string>()
  try {
    work(path => tried.add(path))
    if (record !== undefined) transaction.writeRecord(deployment, record)
    transaction.amend({ snapshots: { before, after: await take(kind) } })
  } catch (error) {
    transaction.amend({
      text: `${said([...tried])} (cut short)`,
      paths: [...tried],
      isCutShort: true,
    })
    throw error
  }
}

const shownPaths = (paths: readonly string[]): string => {
  if (paths.length === 0) return 'nothing'
  const shown = paths.slice(0, 3).map(shownPath).join(' ')
  return paths.length > 3 ? `${shown} and ${paths.length - 3} more` : shown
}

interface OpenTarget {
  readonly target: EtcTarget
  readonly close: () => void
}

const openTarget = (transaction: Transaction, view: EtcView): OpenTarget => {
  const { deployment, changes, defaults, record } = view
  const running = transaction.runningLayer(deployment)
  if (running !== undefined) {
    const { root, mounts } = openRunningEtc(running)
    return {
      target: mountedTarget(root, mounts),
      close: () => root.close(),
    }
  }
  const upper = textToLatin1(transaction.layerOf(deployment))
  const layer = {
    upper,
    changes,
    defaults,
    owned: new OwnedPaths(record.owned),
  }
  return { target: layerTarget(layer), close: () => undefined }
}
