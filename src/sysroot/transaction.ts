/**
 * One change of the deployments of a sysroot: the lock, the clearing up after
 * those that were killed, the entry in the operation log, and the rename that
 * makes it true.
 */

import { existsSync, lstatSync, readdirSync } from '../system/files.ts'
import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { LayerHistory } from '../etc/history.ts'
import { OperationLog } from '../store/operation-log.ts'
import type { Repository } from '../store/repository.ts'
import { removeIfThere } from '../system/durable-file.ts'
import { acquireLock } from '../system/lock.ts'
import type { FileLock } from '../system/lock.ts'
import { removeTree } from '../system/remove-tree.ts'
import { DendroError } from '../errors.ts'
import { formatBytes } from '../units.ts'
import { bootFiles } from './boot-entries.ts'
import { freeingNumbers, roomFor } from './boot-room.ts'
import type { Room } from './boot-room.ts'
import { showLoader } from './loader.ts'
import {
  bootedRoot,
  dropUnusedBoot,
  dropUnusedKernels,
  findKernel,
  kernelPrefix,
  publishBoot,
} from './bootable.ts'
import { osRelease } from '../packages/os-release.ts'
import { readRecord } from './deployment.ts'
import { LayerLocks } from './enterable.ts'
import { runningDeployments } from './running.ts'
import { keepLeaving } from './snapshot-layer.ts'
import { DeploymentHolds } from './sysroot-holds.ts'
import { renewInstanceHolds } from './instance-records.ts'
import {
  deploymentName,
  deploymentPath,
  isSameDeployment,
  oldBootDirectories,
  prepareSysroot,
  readSysroot,
  shortName,
  writeSysroot,
} from './sysroot.ts'
import type {
  DeploymentId,
  ListedDeployment,
  SysrootPaths,
  SysrootState,
} from './sysroot.ts'

export class Transaction {
  readonly paths: SysrootPaths
  readonly repository: Repository
  readonly history: LayerHistory
  readonly #lock: FileLock
  readonly #layers: LayerLocks
  readonly #log: OperationLog
  readonly #holds: DeploymentHolds
  #state: SysrootState
  /** What was committed last, for a person. */
  #done = ''

  private constructor(
    paths: SysrootPaths,
    repository: Repository,
    lock: FileLock,
    onWait: (() => void) | undefined,
  ) {
    this.paths = paths
    this.repository = repository
    this.history = new LayerHistory(paths.history)
    this.#lock = lock
    this.#layers = new LayerLocks(paths, onWait)
    this.#log = new OperationLog(paths.operations, repository.paths.operations)
    this.#state = readSysroot(paths)
    this.#holds = new DeploymentHolds(repository, paths, this.#state.id)
  }

  /** Waits for other changes of the same sysroot. */
  static async begin(
    paths: SysrootPaths,
    repository: Repository,
    onWait?: () => void,
  ): Promise<Transaction> {
    prepareSysroot(paths)
    const lock = await acquireLock(paths.lock, 'exclusive', onWait)
    try {
      const transaction = new Transaction(paths, repository, lock, onWait)
      transaction.#clearUp()
      return transaction
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /**
   * Keeps others from mounting the layer of `id` until the end: for who writes
   * in it, or removes it. Errors: `NOT_FOUND`.
   */
  lockLayer(id: DeploymentId): Promise<void> {
    return this.#layers.lock(id)
  }

  get state(): SysrootState {
    return this.#state
  }

  /** Removes what changes that never came left behind. */
  #clearUp(): void {
    this.#log.dropAfter(this.#state.operation)
    const current = `boot.${this.#state.serial}`
    const previous = `boot.${this.#state.serial - 1}`
    for (const path of oldBootDirectories(this.paths))
      if (!path.endsWith(`/${current}`) && !path.endsWith(`/${previous}`))
        remove(path)
    this.#removeUnlisted()
    this.#holds.renew(this.#state.deployments)
    renewInstanceHolds(this.repository, this.paths)
    this.#holds.releaseOthers(this.#state.deployments)
    if (this.#state.serial === 0) return
    try {
      dropUnusedKernels(this.repository, this.paths, this.#state.deployments)
      showLoader(this.paths)
    } catch {
      // A /boot that cannot be written to is told of by a change that needs it.
    }
  }

  /** Removes what left with the last change. Errors: `CLEANUP_FAILED`. */
  dropUnlisted(): void {
    this.inForce('remove what is not deployed any more', () =>
      this.#removeUnlisted(),
    )
  }

  /**
   * Removes directories of deployments that the state does not list; those that
   * somebody is in stay until a later change.
   */
  #removeUnlisted(): void {
    const listed = new Set(this.#state.deployments.map(deploymentName))
    const gone = this.#directories().filter(name => !listed.has(name))
    if (gone.length === 0) return
    const free = gone.filter(name => this.#layers.tryLock(name))
    // Looked at behind the lock: nobody comes to it any more.
    const running = runningDeployments(this.paths)
    for (const name of free)
      if (!running.has(name))
        removeTree(textToBytes(join(this.paths.deploy, name)))
  }

  /** Names of all deployments that have a directory, listed or not. */
  #directories(): string[] {
    const found = readdirSync(this.paths.deploy, { withFileTypes: true })
    // Files that are none of ours are left alone.
    return found
      .filter(entry => entry.isDirectory())
      .flatMap(({ name: os }) =>
        readdirSync(join(this.paths.deploy, os))
          .filter(name => /^[0-9a-f]{64}\.\d+$/.test(name))
          .map(name => `${os}/${name}`),
      )
  }

  /** Keeps the commit of a deployment from being pruned. */
  hold(id: DeploymentId): void {
    this.#holds.hold(id)
  }

  /** A serial that no deployment of this commit has or had lately. */
  nextSerial(os: string, commit: string): number {
    const directory = join(this.paths.deploy, os)
    const names = existsSync(directory) ? readdirSync(directory) : []
    const taken = [
      ...this.#state.deployments
        .filter(id => id.os === os && id.commit === commit)
        .map(({ serial }) => serial),
      ...names.flatMap(name =>
        name.startsWith(`${commit}.`) ? Number(name.split('.')[1]) : [],
      ),
    ]
    return Math.max(-1, ...taken) + 1
  }

  /**
   * Makes `deployments` the list, by one rename; logged before. Those that
   * leave are kept first. Errors: `NO_SPACE`, `DEPLOYMENT_IN_USE`,
   * `CLEANUP_FAILED` (it is in force), system errors.
   */
  async commit(
    kind: string,
    text: string,
    deployments: readonly ListedDeployment[],
    details: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    await this.#makeRoom(text, deployments)
    const before = this.#state.deployments
    await this.#letLeave(
      text,
      before.filter(id => !deployments.some(one => isSameDeployment(id, one))),
    )
    const operation = this.#log.append(kind, text, {
      ...details,
      before,
      after: deployments,
    })
    const state: SysrootState = {
      ...this.#state,
      serial: this.#state.serial + 1,
      operation,
      deployments,
    }
    // All that the state names is there before it is in force.
    publishBoot(this.repository, this.paths, deployments)
    writeSysroot(this.paths, state, this.#bootFiles(deployments))
    this.#state = state
    this.#done = text
    this.inForce('show the boot entries', () => showLoader(this.paths))
    this.inForce('remove what is not booted any more', () => {
      dropUnusedBoot(this.repository, this.paths, deployments)
      this.#holds.releaseOthers(deployments)
    })
  }

  /** Locks and keeps deployments that are to go. Errors: `DEPLOYMENT_IN_USE`. */
  async #letLeave(
    text: string,
    leaving: readonly ListedDeployment[],
  ): Promise<void> {
    for (const id of leaving)
      if (existsSync(this.pathOf(id))) await this.lockLayer(id)
    const running = leaving.length > 0 && runningDeployments(this.paths)
    for (const id of leaving)
      if (running && running.has(deploymentName(id)))
        throw new DendroError(
          'DEPLOYMENT_IN_USE',
          `cannot ${text}: ${shortName(id)} would go, and it runs since just now`,
          { hint: 'try again' },
        )
    for (const id of leaving) await keepLeaving(this, id)
  }

  /**
   * Does what follows on a change that is in force, and says so when it fails.
   * Errors: `CLEANUP_FAILED`.
   */
  inForce(what: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new DendroError(
        'CLEANUP_FAILED',
        `the change is in force (${this.#done}), but dendro cannot ${what}: ${why}`,
        {
          cause: error,
          hint: 'the next change of the deployments tries again',
        },
      )
    }
  }

  /**
   * Where new kernels do not fit into /boot beside those of deployments that
   * leave, these leave first, by a change of their own. Errors: `NO_SPACE`.
   */
  async #makeRoom(
    text: string,
    deployments: readonly ListedDeployment[],
  ): Promise<void> {
    const before = this.#state.deployments
    const room = roomFor(this.repository, this.paths, before, deployments)
    if (room === undefined || room.neededBytes <= room.freeBytes) return
    if (room.neededBytes > room.freeBytes + room.leavingBytes)
      throw this.#noRoom(text, room)
    const stay = before.filter(id =>
      deployments.some(other => isSameDeployment(id, other)),
    )
    const leaving = before.filter(id => !stay.includes(id)).map(shortName)
    await this.commit(
      'undeploy',
      `undeploy ${leaving.join(', ')}, for room in ${this.paths.bootLoader}`,
      stay,
    )
    // Those of what is not listed yet went with the others.
    for (const id of deployments) this.hold(id)
  }

  #noRoom(text: string, { neededBytes, freeBytes }: Room): DendroError {
    const { bootLoader } = this.paths
    const numbers = freeingNumbers(this.repository, this.#state.deployments)
    return new DendroError(
      'NO_SPACE',
      `cannot ${text}: its kernel takes ${formatBytes(neededBytes)} in ${bootLoader}, and ${formatBytes(freeBytes)} are free`,
      {
        hint:
          numbers.length === 0
            ? `free some space in ${bootLoader}`
            : `dendro undeploy ${numbers.at(-1)} removes a kernel there`,
      },
    )
  }

  /** Says more, or something else, of the operation that was committed last. */
  amend(details: Readonly<Record<string, unknown>>): void {
    this.#log.amend(this.#state.operation, details)
  }

  #bootFiles(deployments: readonly ListedDeployment[]) {
    return bootFiles(deployments, id => {
      const { version } = readRecord(this.paths, id)
      const shown = version ?? id.commit.slice(0, 12)
      const root = bootedRoot(this.repository, id)
      if (root === undefined)
        return {
          title: `${id.os} (${shown}.${id.serial}), damaged`,
          version: shown,
        }
      const release = osRelease(this.repository, root)
      const name = release.get('PRETTY_NAME') ?? release.get('NAME') ?? id.os
      const title = `${name} (${shown}.${id.serial})`
      const kernel = findKernel(this.repository, root)
      if (kernel === undefined) return { title, version: shown }
      const at = `${kernelPrefix(this.paths)}/${kernel.key}`
      return {
        title,
        version: shown,
        linux: `${at}/vmlinuz`,
        ...(kernel.initrd === undefined ? {} : { initrd: `${at}/initrd.img` }),
      }
    })
  }

  pathOf(id: DeploymentId): string {
    return deploymentPath(this.paths, id)
  }

  end(): void {
    this.history.close()
    this.#layers.release()
    this.#lock.release()
  }
}

/** A directory with all that is in it, or a link on its way. */
const remove = (path: string): void => {
  if (lstatSync(path).isDirectory()) removeTree(textToBytes(path))
  else removeIfThere(path)
}

/** Runs `work` in a transaction, and ends it in any case. */
export const withTransaction = async <T>(
  paths: SysrootPaths,
  repository: Repository,
  onWait: (() => void) | undefined,
  work: (transaction: Transaction) => T | Promise<T>,
): Promise<T> => {
  const transaction = await Transaction.begin(paths, repository, onWait)
  try {
    return await work(transaction)
  } finally {
    transaction.end()
  }
}
