/** Runs commands inside an assembled root, in namespaces of their own. */

import { spawn } from 'node:child_process'
import { mkdirSync } from '../system/files.ts'
import { constants, hostname } from 'node:os'
import { join } from 'node:path'
import { DendroError } from '../errors.ts'
import { MS_NODEV, mountAt } from '../fuse/device.ts'
import { openView } from '../mount/mounting.ts'
import { isRoot } from '../mount/runtime-directory.ts'
import type { Digest } from '../objects/digest.ts'
import type { Repository } from '../store/repository.ts'
import { byteCommand } from '../system/byte-command.ts'
import { acquireLock } from '../system/lock.ts'
import { check, nativePath, shim } from '../system/native.ts'
import { assembleRoot, mountInterfaces } from './assemble.ts'
import type { RootParts } from './assemble.ts'
import { followPath, inspectCommit } from './commit-layout.ts'
import type { CommitLayout } from './commit-layout.ts'
import { reachable, runningEtcOf } from './running.ts'
import type { RunningEtc } from './running.ts'
import { commitOf, deploymentPath, layerPath, shortName } from './sysroot.ts'
import type { DeploymentId, SysrootPaths } from './sysroot.ts'
import { varPath } from './var.ts'

const CLONE_NEWNS = 0x00020000
const MS_REC = 16384
const MS_PRIVATE = 1 << 18

/** Where a root is put together; only its own namespace sees it. */
const ROOT_DIRECTORY = '/run/dendro/root'
const SCRATCH_DIRECTORY = '/run/dendro/scratch'

export interface Command {
  /** At least one word. */
  readonly words: readonly string[]
}

export const requireRoot = (what: string): void => {
  if (isRoot()) return
  throw new DendroError('PERMISSION_DENIED', `cannot ${what}: only root may`, {
    hint: 'run it with sudo',
  })
}

/** The parts of a deployment's root; a running /etc is used as it is. */
export const deploymentParts = (
  paths: SysrootPaths,
  id: DeploymentId,
): RootParts => {
  const running = runningEtcOf(id)
  if (running?.pid !== undefined)
    throw new DendroError(
      'DEPLOYMENT_IN_USE',
      `cannot assemble ${shortName(id)}: its /etc is mounted for process ${running.pid}`,
      { hint: 'enter that one with dendro run, or end the process' },
    )
  return {
    etc:
      running === undefined
        ? {
            kind: 'overlay',
            upper: layerPath(paths, id),
            work: join(deploymentPath(paths, id), 'etc', 'work'),
          }
        : { kind: 'bind', source: reachable(running) },
    var: { kind: 'bind', source: varPath(paths, id.os) },
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

/** From here on this thread, and what it starts, has mounts of its own. */
const leaveMountNamespace = (): void => {
  check(shim().unshare(CLONE_NEWNS), 'cannot make a mount namespace')
  mountAt('none', '/', 'none', MS_REC | MS_PRIVATE)
}

const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const
/** A terminal sends these to the command as well. */
const TERMINAL_SIGNALS = ['SIGINT', 'SIGQUIT'] as const

/** Starts the helper and waits; the exit status of the command. */
const enter = (
  mode: 'root' | 'join',
  where: string,
  { words }: Command,
): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      ...byteCommand(nativePath('dendro-enter'), [
        ...[mode, where, hostname()],
        ...words,
      ]),
      { stdio: 'inherit', env: environment(), cwd: '/' },
    )
    for (const signal of SIGNALS) process.on(signal, () => child.kill(signal))
    for (const signal of TERMINAL_SIGNALS) process.on(signal, () => undefined)
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve(
        code ?? BY_SIGNAL + (signal === null ? 0 : constants.signals[signal]),
      ),
    )
  })

/** As shells tell that a signal ended a command. */
const BY_SIGNAL = 128

/** What a login would set, and how the terminal speaks. */
const environment = (): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(?:TERM|COLORTERM|LANG|LC_.*|NO_COLOR)$/.test(name),
  )
  return {
    ...Object.fromEntries(kept),
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    USER: 'root',
    LOGNAME: 'root',
  }
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

const assembleHere = (
  repository: Repository,
  view: string,
  layout: CommitLayout,
  parts: () => RootParts,
): void => {
  leaveMountNamespace()
  mkdirSync(ROOT_DIRECTORY, { recursive: true })
  assembleRoot(repository, view, layout, parts(), ROOT_DIRECTORY)
  mountInterfaces(ROOT_DIRECTORY)
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
  assembleHere(repository, view, layout, scratchParts)
  return enter('root', ROOT_DIRECTORY, command)
}

/**
 * Runs in a deployment. A second command in the same one joins the first: a
 * layer must not be mounted twice. Errors: system errors.
 */
export const runInDeployment = async (
  repository: Repository,
  paths: SysrootPaths,
  id: DeploymentId,
  command: Command,
): Promise<number> => {
  requireRoot('enter a deployment')
  const layout = inspectCommit(repository, commitOf(id))
  return runOnce(
    repository,
    layout,
    join(deploymentPath(paths, id), 'deployment.json'),
    () => runningEtcOf(id),
    () => deploymentParts(paths, id),
    command,
  )
}

/**
 * Joins who runs already, or assembles; `lockFile` is held until the mounts
 * can be seen.
 */
export const runOnce = async (
  repository: Repository,
  layout: CommitLayout,
  lockFile: string,
  running: () => RunningEtc | undefined,
  parts: () => RootParts,
  command: Command,
): Promise<number> => {
  const view = await openView(repository)
  const lock = await acquireLock(lockFile, 'exclusive')
  let joined: number | undefined
  try {
    joined = running()?.pid
    if (joined === undefined) assembleHere(repository, view, layout, parts)
  } finally {
    lock.release()
  }
  return joined === undefined
    ? enter('root', ROOT_DIRECTORY, command)
    : enter('join', String(joined), command)
}
