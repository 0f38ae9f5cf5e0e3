/** Runs commands inside an assembled root, in namespaces of their own. */

import { mkdirSync } from '../system/files.ts'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DendroError } from '../errors.ts'
import { MS_NODEV, leaveMountNamespace, mountAt } from '../system/mounts.ts'
import { openView } from '../mount/mounting.ts'
import type { Digest } from '../objects/digest.ts'
import type { Repository } from '../store/repository.ts'
import type { FileLock } from '../system/lock.ts'
import { assembleRoot, mountInterfaces } from './assemble.ts'
import type { RootParts } from './assemble.ts'
import { followPath } from '../tree/commit-file.ts'
import { inspectCommit } from '../sysroot/commit-layout.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'
import { startEntry } from './entry-process.ts'
import type { Command, Entry, Place } from './entry-process.ts'
import {
  enterableOf,
  lockEnterable,
  requireWritableLayer,
} from '../sysroot/enterable.ts'
import type { Enterable } from '../sysroot/enterable.ts'
import {
  dropRecord,
  ownRecordRemover,
  recordCopy,
} from '../sysroot/mounted-layers.ts'
import type { LayerRecord } from '../sysroot/mounted-layers.ts'
import { holdEntered, reachable, runningLayer } from '../sysroot/running.ts'
import type { EnteredNamespace } from '../sysroot/running.ts'
import type { Sysroot } from '../sysroot/session.ts'
import type { DeploymentId, SysrootPaths } from '../sysroot/sysroot.ts'
import { varPath } from '../sysroot/var.ts'
import { requireRoot } from '../system/root-user.ts'
import { SHARED_BASE } from '../system/protocol.ts'

/** Where a root is put together; only its own namespace sees it. */
const ROOT_DIRECTORY = `${SHARED_BASE}/root`
const SCRATCH_DIRECTORY = `${SHARED_BASE}/scratch`

const mountedElsewhere = (
  what: string,
  { name }: Enterable,
  mountpoint: string,
  pid: number,
): DendroError =>
  new DendroError(
    'DEPLOYMENT_IN_USE',
    `cannot ${what} ${name}: its /etc is mounted at ${mountpoint} for process ${pid}`,
    { hint: 'enter that one with dendro run, or end the process' },
  )

/** The parts of a deployment's root; a running /etc is used as it is. */
export const deploymentParts = (
  paths: SysrootPaths,
  id: DeploymentId,
): RootParts => {
  const enterable = enterableOf(paths, id)
  const running = runningLayer(enterable.upper)
  if (running?.pid !== undefined)
    throw mountedElsewhere(
      'assemble',
      enterable,
      running.mountpoint,
      running.pid,
    )
  if (running === undefined) requireWritableLayer(enterable)
  return {
    etc:
      running === undefined
        ? {
            kind: 'overlay',
            upper: enterable.upper,
            work: join(enterable.directory, 'etc', 'work'),
          }
        : { kind: 'bind', source: reachable(running) },
    var: { kind: 'bind', source: varPath(paths, id.os) },
    recorded: { upper: enterable.upper, isEntered: false },
  }
}

/** Layers in memory that go with the namespace. */
const scratchParts = (): RootParts => {
  mkdirSync(SCRATCH_DIRECTORY, { recursive: true })
  mountAt('dendro-scratch', SCRATCH_DIRECTORY, 'tmpfs', MS_NODEV, 'mode=0700')
  const overlay = (name: string) => {
    const upper = join(SCRATCH_DIRECTORY, name)
    const work = join(SCRATCH_DIRECTORY, `${name}.work`)
    mkdirSync(upper)
    mkdirSync(work)
    return { kind: 'overlay', upper, work } as const
  }
  return { etc: overlay('etc'), var: overlay('var') }
}

/** The shell of a commit: the one that people expect, or the one that is there. */
export const shellOf = (
  repository: Repository,
  layout: CommitLayout,
): string[] => {
  for (const shell of ['/bin/bash', '/bin/sh'])
    if (followPath(repository, layout.root, shell)?.kind === 'file')
      return [shell, '-l']
  throw new DendroError('NOT_FOUND', 'the commit has no /bin/sh', {
    hint: 'name a command with dendro run REV -- COMMAND',
  })
}

const HERE: Place = { kind: 'root', path: ROOT_DIRECTORY }

const assembleHere = (
  repository: Repository,
  view: string,
  layout: CommitLayout,
  parts: () => RootParts,
): LayerRecord | undefined => {
  leaveMountNamespace()
  mkdirSync(ROOT_DIRECTORY, { recursive: true })
  const own = parts()
  const record = assembleRoot(
    repository,
    view,
    layout,
    own.recorded === undefined
      ? own
      : { ...own, recorded: { ...own.recorded, isEntered: true } },
    ROOT_DIRECTORY,
  )
  mountInterfaces(ROOT_DIRECTORY)
  return record
}

/** Runs in a commit that is not deployed: its /etc and /var are thrown away. */
export const runInCommit = async (
  repository: Repository,
  commit: Digest,
  command: Command,
): Promise<number> => {
  requireRoot('enter a commit')
  const layout = inspectCommit(repository, commit)
  const view = await openView(repository)
  try {
    assembleHere(repository, view.path, layout, scratchParts)
  } finally {
    view.release()
  }
  return startEntry(HERE, command).ended
}

/**
 * Runs in a deployment. A second command in the same one joins the first: a
 * layer must not be mounted twice. Errors: system errors.
 */
export const runInDeployment = async (
  sysroot: Sysroot,
  id: DeploymentId,
  command: Command,
): Promise<number> => {
  requireRoot('enter a deployment')
  const { repository, paths } = sysroot
  const entered: Entered = {
    enterable: enterableOf(paths, id),
    layout: sysroot.layoutOf(id),
    parts: () => deploymentParts(paths, id),
  }
  return runOnce(repository, entered, command)
}

/** What is entered, and how its root is put together where nobody is in it. */
export interface Entered {
  readonly enterable: Enterable
  readonly layout: CommitLayout
  /** Asked behind the lock of its layer. */
  readonly parts: () => RootParts
}

interface Started {
  readonly entry: Entry
  /** Nobody can join it any more. */
  readonly forget: () => void
}

/**
 * Joins who runs already, or assembles; the lock is held until the mounts can
 * be seen and joined. Errors: `DEPLOYMENT_IN_USE`.
 */
export const runOnce = async (
  repository: Repository,
  { enterable, layout, parts }: Entered,
  command: Command,
): Promise<number> => {
  const view = await openView(repository)
  let lock: FileLock | undefined
  let started: Started
  try {
    lock = await lockEnterable(enterable)
    const joined = await namespaceToJoin(enterable)
    started =
      joined === undefined
        ? await startIn(
            assembleHere(repository, view.path, layout, parts),
            command,
          )
        : await startInside(joined, command)
  } finally {
    lock?.release()
    view.release()
  }
  try {
    return await started.entry.ended
  } finally {
    started.forget()
  }
}

const startIn = async (
  record: LayerRecord | undefined,
  command: Command,
): Promise<Started> => {
  const forget = record === undefined ? nothing : ownRecordRemover(record)
  const entry = startEntry(HERE, command)
  await entry.entered
  return { entry, forget }
}

const nothing = (): void => undefined

const startInside = async (
  { record, held }: EnteredNamespace,
  command: Command,
): Promise<Started> => {
  try {
    const entry = startEntry({ kind: 'namespace', fd: held.fd }, command)
    const isEntered = await entry.entered
    const copy = isEntered ? recordCopy(record, entry.pid) : undefined
    return {
      entry,
      forget: copy === undefined ? nothing : () => dropRecord(copy),
    }
  } finally {
    held.close()
  }
}

const ENDING_MS = 5000
const ENDING_STEP_MS = 25

/**
 * Where the layer was entered; undefined where it is free, or mounted for this
 * process. Processes of a command that was killed are waited for.
 */
const namespaceToJoin = async (
  enterable: Enterable,
): Promise<EnteredNamespace | undefined> => {
  const deadline = Date.now() + ENDING_MS
  for (;;) {
    const running = runningLayer(enterable.upper)
    if (running?.pid === undefined) return undefined
    const entered = holdEntered(enterable.upper)
    if (entered !== undefined) return entered
    if (Date.now() > deadline)
      throw mountedElsewhere(
        'enter',
        enterable,
        running.mountpoint,
        running.pid,
      )
    await sleep(ENDING_STEP_MS)
  }
}
