/**
 * A sysroot as one command sees it: where it is, its repository, and what was
 * read of both, each thing once.
 *
 * Whoever only reads makes one and looks at it without the lock: state, records
 * and what runs are of one moment each, and do not change under his hands.
 * Whoever changes something gets one that is read under the lock, as a
 * transaction (transaction.ts), which hands it down.
 */

import { LayerHistory } from '../etc/history.ts'
import type { Digest } from '../objects/digest.ts'
import type { DirectoryObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { DeployableCommits } from './deployable-commits.ts'
import type { CommitKernel } from './commit-boot.ts'
import type { CommitLayout } from './commit-layout.ts'
import { readRecord, writeRecord } from './deployment.ts'
import type { DeploymentRecord } from './deployment.ts'
import { findLayerIdentity } from './mounted-layers.ts'
import { findRunningLayers, runningByName, runningHere } from './running.ts'
import type { RunningEtc } from './running.ts'
import {
  commitOf,
  deploymentName,
  deploymentPath,
  layerPath,
  readSysroot,
} from './sysroot.ts'
import type {
  DeploymentId,
  ListedDeployment,
  SysrootPaths,
  SysrootState,
} from './sysroot.ts'

/** The running deployments by name (`deploymentName`). */
export type Running = ReadonlyMap<string, RunningEtc>

export interface SysrootOptions {
  /**
   * What runs, instead of what the mount tables tell: for tests that mount
   * nothing. Layers are still changed as those of deployments that do not run.
   */
  readonly running?: (() => Running | undefined) | undefined
  /** What another session of the same repository knows of its commits. */
  readonly commits?: DeployableCommits
}

export class Sysroot {
  readonly repository: Repository
  readonly paths: SysrootPaths
  /** The layers as they were; opened when it is asked. */
  readonly history: LayerHistory
  /** What the commits bring that deployments are made of. */
  readonly commits: DeployableCommits
  readonly #told: SysrootOptions['running']
  readonly #records = new Map<string, DeploymentRecord>()
  #state: SysrootState | undefined
  #layers: ReadonlyMap<string, RunningEtc> | undefined
  #running: Running | undefined

  /**
   * The caller keeps `repository` open as long as this is used, and closes
   * both. Where the sysroot has a repository of its own it is usually
   * `paths.repository`.
   */
  constructor(
    repository: Repository,
    paths: SysrootPaths,
    { running, commits }: SysrootOptions = {},
  ) {
    this.repository = repository
    this.paths = paths
    this.history = new LayerHistory(paths.history)
    this.commits = commits ?? new DeployableCommits(repository)
    this.#told = running
  }

  /** For another session of the same sysroot: what stays true. */
  get shared(): SysrootOptions {
    return { running: this.#told, commits: this.commits }
  }

  /**
   * The deployments and their order; an empty state where nothing was deployed.
   * Errors: `CORRUPT_SYSROOT`, `FUTURE_FORMAT`, system errors.
   */
  get state(): SysrootState {
    return (this.#state ??= readSysroot(this.paths))
  }

  /** Makes `state` what this session says, for who has written it. */
  protected become(state: SysrootState): void {
    this.#state = state
  }

  /** Which deployments run, listed or not. */
  get running(): Running {
    return (this.#running ??=
      this.#told?.() ?? runningByName(this.paths, this.#mountedLayers()))
  }

  /** The listed deployment that runs in this mount namespace, if one does. */
  get runningHere(): ListedDeployment | undefined {
    return runningHere(this.state.deployments, this.running)
  }

  #mountedLayers(): ReadonlyMap<string, RunningEtc> {
    return (this.#layers ??= findRunningLayers())
  }

  /** Where the layer of a deployment is mounted, if it is. */
  runningLayer(id: DeploymentId): RunningEtc | undefined {
    const layer = findLayerIdentity(this.layerOf(id))
    return layer === undefined ? undefined : this.#mountedLayers().get(layer)
  }

  /** Has the next question of what runs looked at again. */
  lookAgain(): void {
    this.#layers = undefined
    this.#running = undefined
  }

  /** Has everything read again that somebody may have changed. */
  refresh(): void {
    this.#state = undefined
    this.#records.clear()
    this.history.close()
    this.lookAgain()
  }

  /** What a deployment was made of. Errors: `CORRUPT_SYSROOT`, system errors. */
  recordOf(id: DeploymentId): DeploymentRecord {
    const name = deploymentName(id)
    const known = this.#records.get(name)
    if (known !== undefined) return known
    const record = readRecord(this.paths, id)
    this.#records.set(name, record)
    return record
  }

  /** Writes a record, durably but for the name of its directory. */
  protected putRecord(id: DeploymentId, record: DeploymentRecord): void {
    const name = deploymentName(id)
    this.#records.delete(name)
    writeRecord(this.pathOf(id), record)
    this.#records.set(name, record)
  }

  /** Checks that a commit can be deployed. Errors: `NOT_DEPLOYABLE`, damage. */
  layout(commit: Digest): CommitLayout {
    return this.commits.layout(commit)
  }

  /** The same for the commit of a deployment. */
  layoutOf(id: DeploymentId): CommitLayout {
    return this.commits.layout(commitOf(id))
  }

  /**
   * The root of a deployment's commit. Undefined where that is damaged: it
   * cannot be booted, and keeps no other one from it.
   */
  rootOf(id: DeploymentId): DirectoryObject | undefined {
    return this.commits.root(commitOf(id))
  }

  /** The kernel that a deployment boots, if its commit has one and is whole. */
  kernelOf(id: DeploymentId): CommitKernel | undefined {
    return this.commits.kernel(commitOf(id))
  }

  /** The directory of a deployment. */
  pathOf(id: DeploymentId): string {
    return deploymentPath(this.paths, id)
  }

  /** The upper directory of its /etc. */
  layerOf(id: DeploymentId): string {
    return layerPath(this.paths, id)
  }

  /** May be called twice; the session can be used again afterwards. */
  close(): void {
    this.history.close()
  }
}
