/** The operation log of a sysroot and its repository, and taking entries back. */

import { existsSync } from '../system/files.ts'
import { join } from 'node:path'
import { DendroError } from '../errors.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import { toRefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { mergeNewestFirst, OperationLog } from '../store/operation-log.ts'
import type { Operation } from '../store/operation-log.ts'
import type { Repository } from '../store/repository.ts'
import { makeDirectory, syncDirectory } from '../system/disk.ts'
import type { DeploymentRecord } from '../sysroot/deployment.ts'
import { undoEdit } from './etc-restore.ts'
import type { Sysroot } from '../sysroot/session.ts'
import { bringBack } from '../sysroot/snapshots.ts'
import { commitOf, deploymentName, shortName } from '../sysroot/sysroot.ts'
import type { ListedDeployment } from '../sysroot/sysroot.ts'
import { withTransaction } from '../sysroot/transaction.ts'
import type { Transaction } from '../sysroot/transaction.ts'

/** `s12` is operation 12 of the sysroot, `r7` number 7 of the repository. */
export interface LoggedOperation extends Operation {
  readonly id: string
}

interface RefMove {
  readonly name: string
  readonly before: string | null
  readonly after: string | null
}

/**
 * All that happened, newest first; what never came to be is left out. A
 * repository may stand alone: then `sysroot` is undefined.
 */
export const listOperations = (
  repository: Repository,
  sysroot: Sysroot | undefined,
): LoggedOperation[] => {
  const moves = new OperationLog(repository.paths.operations)
    .list()
    .filter(move => cameTrue(repository, move))
    .map(move => ({ ...move, id: `r${move.number}` }))
  const last = sysroot === undefined ? 0 : sysroot.state.operation
  const changes =
    sysroot === undefined
      ? []
      : new OperationLog(sysroot.paths.operations)
          .list()
          .filter(({ number }) => number <= last)
          .map(change => ({ ...change, id: `s${change.number}` }))
  return mergeNewestFirst(moves, changes)
}

/** A move that was logged and then cut off by a crash left the ref as it was. */
const cameTrue = (repository: Repository, move: Operation): boolean => {
  const { name, before, after } = move as unknown as RefMove
  const later = new OperationLog(repository.paths.operations)
    .list()
    .some(
      other =>
        other.number > move.number &&
        other.kind === move.kind &&
        other['name'] === name,
    )
  if (later) return true
  const now = currentRef(repository, move.kind, name)
  return now === after || now !== before
}

const currentRef = (
  repository: Repository,
  kind: string,
  name: string,
): string | null => {
  const store = new RefStore(repository.paths, kind === 'ref' ? 'refs' : 'tags')
  const digest = store.get(toRefName(name))
  return digest === undefined ? null : digestToHex(digest)
}

const cannot = (operation: LoggedOperation, why: string, hint: string) =>
  new DendroError(
    'CANNOT_UNDO',
    `cannot undo ${operation.id} (${operation.text}): ${why}`,
    { hint },
  )

/**
 * Takes back the last operation, or the named one; a line that says what was
 * done. An undo is an operation too, and can be undone by its id.
 * Errors: `CANNOT_UNDO`, `NOT_FOUND`.
 */
export const undo = async (
  repository: Repository,
  sysroot: Sysroot | undefined,
  id: string | undefined,
  onWait?: () => void,
): Promise<string> => {
  const all = listOperations(repository, sysroot)
  const operation =
    id === undefined ? lastToUndo(all) : all.find(op => op.id === id)
  if (operation === undefined)
    throw new DendroError(
      'NOT_FOUND',
      id === undefined
        ? 'there is nothing to undo'
        : `there is no operation ${id}`,
      { hint: 'dendro op log lists the operations' },
    )
  if (operation.kind === 'ref' || operation.kind === 'tag')
    return undoMove(repository, operation)
  if (sysroot === undefined)
    throw cannot(operation, 'no sysroot', 'name --sysroot')
  return withTransaction(sysroot, onWait, transaction =>
    undoChange(transaction, operation),
  )
}

/**
 * The newest operation that is in force: not an undo, and not undone. So one
 * undo after the other goes back step by step.
 */
const lastToUndo = (
  newestFirst: readonly LoggedOperation[],
): LoggedOperation | undefined => {
  const undone = new Set<unknown>()
  for (const operation of newestFirst) {
    if (undone.has(operation.id)) continue
    if (operation['undoes'] === undefined) return operation
    // An undo that was cut short is done again.
    if (operation['isCutShort'] !== true) undone.add(operation['undoes'])
  }
  return undefined
}

const undoMove = async (
  repository: Repository,
  operation: LoggedOperation,
): Promise<string> => {
  const { name, before, after } = operation as unknown as RefMove
  const now = currentRef(repository, operation.kind, name)
  if (now !== after)
    throw cannot(
      operation,
      `${name} has moved since`,
      'undo the later moves first',
    )
  const store = new RefStore(
    repository.paths,
    operation.kind === 'ref' ? 'refs' : 'tags',
  )
  const digest = before === null ? undefined : digestFromHex(before)
  if (digest !== undefined && !repository.commits.has(digest))
    throw cannot(operation, 'the commit it named was pruned', 'commit it again')
  await repository.publish([], () => {
    const details = { undoes: operation.id }
    if (digest === undefined) store.remove(toRefName(name), details)
    else store.set(toRefName(name), digest, details)
  })
  return `${operation.kind} ${name} is ${before?.slice(0, 12) ?? 'gone'} again`
}

interface Change {
  readonly before: readonly ListedDeployment[]
  readonly after: readonly ListedDeployment[]
  readonly deployment?: string
  readonly snapshots?: { readonly before: string; readonly after?: string }
  readonly paths?: readonly string[]
  readonly record?: DeploymentRecord
}

const undoChange = async (
  transaction: Transaction,
  operation: LoggedOperation,
): Promise<string> => {
  const change = operation as unknown as Change
  const { snapshots, deployment, paths, record } = change
  if (
    snapshots !== undefined &&
    deployment !== undefined &&
    paths !== undefined &&
    record !== undefined
  ) {
    const { id, text } = operation
    const snapshot = snapshots.before
    const one = { id, text, deployment, paths, snapshot, record }
    await undoEdit(transaction, one)
    return `took back: ${operation.text}`
  }
  return undoList(transaction, operation, change)
}

const names = (list: readonly ListedDeployment[]): string =>
  JSON.stringify(
    list.map(id => [deploymentName(id), id.isPinned, id.kernelArguments ?? []]),
  )

/** The list of deployments as it was before. */
const undoList = async (
  transaction: Transaction,
  operation: LoggedOperation,
  { before, after }: Change,
): Promise<string> => {
  const { state } = transaction
  if (names(state.deployments) !== names(after))
    throw cannot(
      operation,
      'the deployments have changed since',
      'undo the later operations first',
    )
  const going = after.filter(
    id => !before.some(old => deploymentName(old) === deploymentName(id)),
  )
  for (const id of going)
    if (transaction.running.has(deploymentName(id)))
      throw cannot(operation, `${shortName(id)} runs`, 'boot another one first')
  for (const id of before) recreate(transaction, operation, id)
  await transaction.commit(
    'undo',
    `undo ${operation.id}: ${operation.text}`,
    before,
    {
      undoes: operation.id,
    },
  )
  transaction.dropUnlisted()
  const [first] = before
  return first === undefined
    ? `took back: ${operation.text}; there is no deployment`
    : `took back: ${operation.text}; the default is ${shortName(first)}`
}

/**
 * Makes a deployment again whose directory is gone: as it was when it left, or
 * of the last snapshot of its layer where an older program removed it.
 */
const recreate = (
  transaction: Transaction,
  operation: LoggedOperation,
  id: ListedDeployment,
): void => {
  const directory = transaction.pathOf(id)
  if (existsSync(directory)) return
  if (!transaction.repository.commits.has(commitOf(id)))
    throw cannot(
      operation,
      `the commit of ${shortName(id)} was pruned`,
      'commit it again and deploy it',
    )
  transaction.hold(id)
  if (bringBack(transaction, id)) {
    syncDirectory(join(directory, '..'))
    return
  }
  makeDirectory(directory, 0o755)
  makeDirectory(join(directory, 'etc'), 0o700)
  makeDirectory(join(directory, 'etc', 'work'), 0o700)
  const upper = transaction.layerOf(id)
  const snapshot = transaction.history
    .list(id.os)
    .find(({ deployment }) => deployment === deploymentName(id))
  if (snapshot === undefined) makeDirectory(upper, 0o755)
  else transaction.history.restoreLayer(snapshot.id, upper)
  const commit = transaction.repository.commits.load(commitOf(id))
  transaction.writeRecord(id, {
    origin: null,
    version: commit.metadata.get('version') ?? null,
    createdSec: Math.floor(Date.now() / 1000),
    mergedFrom: null,
    mergedFingerprint: null,
    conflicts: [],
    settled: [],
    owned: [],
  })
  syncDirectory(join(directory, '..'))
}
