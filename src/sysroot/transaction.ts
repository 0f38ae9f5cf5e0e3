/**
 * One change of the deployments of a sysroot: the lock, the clearing up after
 * those that were killed, the entry in the operation log, and the rename that
 * makes it true.
 */

import { existsSync, lstatSync, readdirSync } from '../system/files.ts'
import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { OperationLog } from '../store/operation-log.ts'
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
import { bootTargetOf } from './boot-target.ts'
import { dropUnusedBoot, dropUnusedKernels, publishBoot } from './bootable.ts'
import type { DeploymentRecord } from './deployment.ts'
import { LayerLocks } from './enterable.ts'
import { Sysroot } from './session.ts'
import { keepLeaving } from './snapshots.ts'
import { DeploymentHolds } from './sysroot-holds.ts'
import { renewInstanceHolds } from './instance-records.ts'
import {
  deploymentName,
  isSameDeployment,
  oldBootDirectories,
  prepareSysroot,
  shortName,
  writeSysroot,
} from './sysroot.ts'
import type { DeploymentId, ListedDeployment, SysrootState } from './sysroot.ts'

/**
 * The sysroot as it is under the lock, and the changes of it. What runs is a
 * matter of those who enter: a look at it holds for the layers that were locked
 * before.
 */
export class Transaction extends Sysroot {
  readonly #lock: FileLock
  readonly #layers: LayerLocks
  readonly #log: OperationLog
  readonly #holds: DeploymentHolds
  /** What was committed last, for a person. */
  #done = ''

  private constructor(
    { repository, paths, shared }: Sysroot,
    lock: FileLock,
    onWait: (() => void) | undefined,
  ) {
    super(repository, paths, shared)
    this.#lock = lock
    this.#layers = new LayerLocks(paths, onWait)
    this.#log = new OperationLog(paths.operations, repository.paths.operations)
    this.#holds = new DeploymentHolds(this)
  }

  /** Waits for other changes of the same sysroot. */
  static async begin(
    sysroot: Sysroot,
    onWait?: () => void,
  ): Promise<Transaction> {
    prepareSysroot(sysroot.paths)
    const lock = await acquireLock(sysroot.paths.lock, 'exclusive', onWait)
    try {
      const transaction = new Transaction(sysroot, lock, onWait)
      transaction.#clearUp()
      return transaction
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /**
   * Keeps others from mounting the layer of `id` until the end: for who writes
   * in it, or removes it. What runs is looked at behind it. Errors: `NOT_FOUND`.
   */
  async lockLayer(id: DeploymentId): Promise<void> {
    if (await this.#layers.lock(id)) this.lookAgain()
  }

  /** The same without waiting, by name; false when another holds it. */
  #tryLockLayer(name: string): boolean {
    const locked = this.#layers.tryLock(name)
    if (locked === 'now') this.lookAgain()
    return locked !== 'no'
  }

  /** Removes what changes that never came left behind. */
  #clearUp(): void {
    this.#log.dropAfter(this.state.operation)
    const current = `boot.${this.state.serial}`
    const previous = `boot.${this.state.serial - 1}`
    for (const path of oldBootDirectories(this.paths))
      if (!path.endsWith(`/${current}`) && !path.endsWith(`/${previous}`))
        remove(path)
    this.#removeUnlisted()
    this.#holds.renew(this.state.deployments)
    renewInstanceHolds(this)
    this.#holds.releaseOthers(this.state.deployments)
    if (this.state.serial === 0) return
    try {
      dropUnusedKernels(this, this.state.deployments)
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
    const listed = new Set(this.state.deployments.map(deploymentName))
    const gone = this.#directories().filter(name => !listed.has(name))
    if (gone.length === 0) return
    const free = gone.filter(name => this.#tryLockLayer(name))
    // Looked at behind the lock: nobody comes to it any more.
    for (const name of free)
      if (!this.running.has(name))
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
      ...this.state.deployments
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
    const before = this.state.deployments
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
      ...this.state,
      serial: this.state.serial + 1,
      operation,
      deployments,
    }
    // All that the state names is there before it is in force.
    publishBoot(this, deployments)
    const files = bootFiles(deployments, id => bootTargetOf(this, id))
    writeSysroot(this.paths, state, files)
    this.become(state)
    this.#done = text
    this.inForce('show the boot entries', () => showLoader(this.paths))
    this.inForce('remove what is not booted any more', () => {
      dropUnusedBoot(this, deployments)
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
    for (const id of leaving)
      if (this.running.has(deploymentName(id)))
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
    const before = this.state.deployments
    const room = roomFor(this, before, deployments)
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
    const numbers = freeingNumbers(this, this.state.deployments)
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
    this.#log.amend(this.state.operation, details)
  }

  /** Writes the record of a deployment, durably but for its directory's name. */
  writeRecord(id: DeploymentId, record: DeploymentRecord): void {
    this.putRecord(id, record)
  }

  end(): void {
    this.close()
    this.#layers.release()
    this.#lock.release()
  }
}

/** A directory with all that is in it, or a link on its way. */
const remove = (path: string): void => {
  if (lstatSync(path).isDirectory()) removeTree(textToBytes(path))
  else removeIfThere(path)
}

/**
 * Runs `work` in a transaction, and ends it in any case. `sysroot` is read anew
 * by who asks it afterwards.
 */
export const withTransaction = async <T>(
  sysroot: Sysroot,
  onWait: (() => void) | undefined,
  work: (transaction: Transaction) => T | Promise<T>,
): Promise<T> => {
  const transaction = await Transaction.begin(sysroot, onWait)
  try {
    return await work(transaction)
  } finally {
    transaction.end()
    sysroot.refresh()
  }
}
