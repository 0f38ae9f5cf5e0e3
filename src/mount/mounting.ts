/**
 * Mounts.
 *
 * As root there is one server and one superblock for a repository: the view is
 * mounted in the runtime directory, and what the user asked for is a bind
 * mount out of it. An ordinary user cannot bind, so each of his mounts is a
 * connection of its own.
 */

import { mkdirSync, realpathSync } from '../system/files.ts'
import { dirname, join } from 'node:path'
import { latin1ToDisplay, latin1ToText } from '../bytes/latin1.ts'
import { DendroError, wrapSystemError } from '../errors.ts'
import { FILESYSTEM_TYPE } from '../fuse/device.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { Repository } from '../store/repository.ts'
import { shim } from '../system/native.ts'
import { findMount } from '../system/mount-table.ts'
import {
  MNT_DETACH,
  mountAt,
  MS_BIND,
  MS_RDONLY,
  MS_REMOUNT,
  unmountAt,
} from '../system/mounts.ts'
import { requirePath, splitPath } from '../tree/lookup.ts'
import { becomeServer } from '../server/become-server.ts'
import type { ControlProgram } from '../server/control-setup.ts'
import { READY } from '../server/start-outcome.ts'
import type { StartOutcome } from '../server/start-outcome.ts'
import { isLaunched, tellStarter } from '../server/starter.ts'
import {
  bindFlags,
  bindOptions,
  DEFAULT_MOUNT_OPTIONS,
} from './mount-options.ts'
import type { MountOptions } from './mount-options.ts'
import {
  holdView,
  lockRuntimeDirectory,
  makeRuntimeDirectory,
  privateRuntimeDirectory,
} from '../server/runtime-directory.ts'
import type { Kept } from '../server/keeper.ts'
import { storedDescriptors } from '../server/service-manager.ts'
import { adoptServer, startServer } from './start-server.ts'
import {
  isAlive,
  isServed,
  readState,
  sharedServerDirectory,
} from '../server/server-state.ts'
import type { ServerConfig } from '../server/server-config.ts'
import { isRoot } from '../system/root-user.ts'
import { RUNTIME_FILE } from '../system/protocol.ts'
import { checkMountpoint, isAutomount } from './mountpoint.ts'

export interface MountRequest {
  readonly mountpoint: string
  /** The commit to mount; the whole view when undefined. */
  readonly commit: Digest | undefined
  /** Raw path inside the commit; empty for its root. */
  readonly subdir: string
  readonly options: MountOptions
  /** That something of the repository is mounted there already is well. */
  readonly mayBeMounted?: boolean
}

export interface Mounted {
  readonly mountpoint: string
  /** 0 when nothing had to be mounted. */
  readonly serverPid: number
  /** Another commit or directory than the one asked for was there already. */
  readonly isOther?: boolean
}

/**
 * Mounts; returns when the mount answers. Errors: `NOT_FOUND`,
 * `MOUNTPOINT_OVERLAPS`, `MOUNT_BUSY`, `MOUNT_FAILED`, `PERMISSION_DENIED`.
 */
export const mountRepository = async (
  repository: Repository,
  request: MountRequest,
): Promise<Mounted> => {
  // Before anything is started that could not be bound.
  shim()
  const stored = storedDescriptors()
  if (stored !== undefined) return adoptMount(repository, request, stored)
  const there = request.mayBeMounted
    ? mountedAlready(repository, request)
    : undefined
  if (there !== undefined) return there
  const mountpoint = checkMountpoint(repository, request.mountpoint)
  if (request.commit !== undefined) checkSubdir(repository, request)
  return isRoot()
    ? mountAsRoot(repository, { ...request, mountpoint })
    : mountAsUser(repository, { ...request, mountpoint })
}

/**
 * A service manager started us again and gave back the mount of the service,
 * which is still there but that nobody serves.
 */
const adoptMount = async (
  repository: Repository,
  request: MountRequest,
  stored: Kept,
): Promise<Mounted> => {
  const { mountpoint } = request
  const directory = isRoot()
    ? sharedServerDirectory(repository.identity)
    : privateRuntimeDirectory(repository.identity, mountpoint)
  const serverPid = await adoptServer(directory, stored)
  // Stopped before it was bound, the mount is bound now.
  if (isRoot() && findMount(mountpoint)?.type !== FILESYSTEM_TYPE)
    bind(sourceOf(join(directory, RUNTIME_FILE.view), request), request)
  return { mountpoint, serverPid }
}

/**
 * What of the repository is served at the mount point. `mount -a` mounts
 * everything again that it does not find in the mount table as it stands in
 * fstab, and there the commit has no name.
 */
const mountedAlready = (
  repository: Repository,
  request: MountRequest,
): Mounted | undefined => {
  if (isAutomount(request.mountpoint)) return undefined
  const entry = findMount(realpathSync(request.mountpoint))
  if (
    entry?.type !== FILESYSTEM_TYPE ||
    entry.source !== repository.paths.root ||
    !isServed(entry)
  )
    return undefined
  return {
    mountpoint: entry.mountpoint,
    serverPid: 0,
    // A user's mount has a superblock of its own, which does not tell.
    isOther: isRoot() && entry.root !== (sourceOf('', request) || '/'),
  }
}

const checkSubdir = (repository: Repository, request: MountRequest): void => {
  const { root } = repository.commits.load(request.commit as Digest)
  if (requirePath(repository, root, request.subdir).kind !== 'directory')
    throw new DendroError(
      'NOT_A_DIRECTORY',
      `cannot mount ${latin1ToDisplay(request.subdir)}: it is not a directory of the commit`,
      { hint: 'mount the directory it is in' },
    )
}

/** The portable transport needs an event loop, hence a process of its own. */
const canBecomeServer = (options: MountOptions): boolean =>
  isLaunched() && options.transport === 'kernel'

const mountAsRoot = (
  repository: Repository,
  request: MountRequest,
): Promise<Mounted> => {
  const { mountpoint, options } = request
  const start = (
    config: ServerConfig,
    onMounted: () => void,
  ): Promise<number> => {
    if (!canBecomeServer(options)) return startServer(config)
    const outcome: StartOutcome = {
      kind: 'bind',
      source: sourceOf(config.mountpoint, request),
      target: mountpoint,
      options: bindOptions(options),
    }
    return becomeServer(
      { ...config, isBoundByLauncher: true },
      { onMounted, onReady: () => tellStarter(outcome) },
    )
  }
  return withSharedView(repository, options, start, (view, serverPid) => {
    bind(sourceOf(view, request), request)
    return { mountpoint, serverPid }
  })
}

/** A view, and what keeps its server until something is mounted out of it. */
export interface HeldView {
  readonly path: string
  release(): void
}

/**
 * The mounted view of a repository as root has it, served; a server is started
 * if need be. Whoever binds out of it keeps it; an unused one that nobody holds
 * ends by itself.
 */
export const openView = (repository: Repository): Promise<HeldView> =>
  withSharedView(repository, DEFAULT_MOUNT_OPTIONS, startServer, async view => {
    const hold = await holdView(dirname(view))
    return { path: view, release: () => hold.release() }
  })

/**
 * The same for good: its users are where the server cannot see them. Where a
 * launcher waits, this process becomes the server and does not return: what is
 * to be done then, telling the launcher too, the control thread does first.
 */
export const openPermanentView = (
  repository: Repository,
  control: (view: string) => ControlProgram,
): Promise<string> =>
  withSharedView(
    repository,
    DEFAULT_MOUNT_OPTIONS,
    (shared, onMounted) => {
      const config = { ...shared, endsWhenUnused: false }
      return isLaunched()
        ? becomeServer(config, {
            onMounted,
            onReady: () => undefined,
            control: control(config.mountpoint),
          })
        : startServer(config)
    },
    view => view,
  )

/**
 * Has `start` start a server of the shared view unless there is one, and calls
 * `use` with the view and the server's pid before anybody else may begin.
 */
const withSharedView = async <T>(
  repository: Repository,
  options: MountOptions,
  start: (config: ServerConfig, onMounted: () => void) => Promise<number>,
  use: (view: string, serverPid: number) => T | Promise<T>,
): Promise<T> => {
  const directory = sharedServerDirectory(repository.identity)
  const lock = await lockRuntimeDirectory(directory)
  const hold = await holdView(directory)
  const release = (): void => {
    hold.release()
    lock.release()
  }
  try {
    const view = join(directory, RUNTIME_FILE.view)
    const serverPid =
      runningServer(directory, view, options) ??
      (await start(sharedConfig(repository, directory, view, options), release))
    return await use(view, serverPid)
  } finally {
    release()
  }
}

const sourceOf = (view: string, { commit, subdir }: MountRequest): string =>
  commit === undefined
    ? view
    : [
        view,
        'commits',
        digestToHex(commit),
        ...splitPath(subdir).map(latin1ToText),
      ].join('/')

/** Binds and sets the mount's own flags: those of the source do not follow. */
const bind = (source: string, request: MountRequest): void => {
  const { mountpoint, options } = request
  mountAt(source, mountpoint, 'none', MS_BIND)
  const flags = MS_BIND | MS_REMOUNT | MS_RDONLY | bindFlags(options)
  try {
    mountAt('none', mountpoint, 'none', flags)
  } catch (error) {
    unmountAt(mountpoint, MNT_DETACH)
    throw error
  }
}

const sharedConfig = (
  repository: Repository,
  directory: string,
  view: string,
  options: MountOptions,
): ServerConfig => {
  try {
    mkdirSync(view, { recursive: true })
  } catch (error) {
    throw wrapSystemError(`cannot make ${view}`, error)
  }
  return {
    ...baseConfig(repository, directory, options),
    mountpoint: view,
    isPrivileged: true,
    root: undefined,
    endsWhenUnused: true,
  }
}

const baseConfig = (
  repository: Repository,
  runtimeDirectory: string,
  options: MountOptions,
) => ({
  repository: repository.paths.root,
  identity: repository.identity,
  runtimeDirectory,
  allowOther: options.allowOther,
  xattrs: options.xattrs,
  transport: options.transport,
  inode32: options.inode32,
  readAheadKib: options.readAheadKib,
  spinMicros: options.spinMicros,
  ahead: options.ahead,
  watchdogMs: options.watchdogMs,
  resend: options.resend,
})

/** What a server began with is so for all mounts of the repository. */
const requireServedSo = (
  state: ServerConfig,
  { transport, xattrs, inode32 }: MountOptions,
): void => {
  const refused = (wish: string, is: string) =>
    new DendroError(
      'MOUNT_BUSY',
      `cannot mount with ${wish}: the repository is served with ${is}`,
      { hint: 'umount its other mounts first' },
    )
  if (state.transport !== transport)
    throw refused(`transport ${transport}`, state.transport)
  if (xattrs !== 'auto' && state.xattrs !== xattrs)
    throw refused(`xattr=${xattrs}`, `xattr=${state.xattrs}`)
  if (inode32 && state.inode32 !== true)
    throw refused('inode32', 'inode numbers of 64 bits')
}

/** The pid of the server of `view` if it lives; a dead one's mount is removed. */
const runningServer = (
  directory: string,
  view: string,
  options: MountOptions,
): number | undefined => {
  if (findMount(view)?.type !== FILESYSTEM_TYPE) return undefined
  const state = readState(directory)
  if (state !== undefined && isAlive(state)) {
    requireServedSo(state, options)
    return state.pid
  }
  unmountAt(view, MNT_DETACH)
  return undefined
}

const mountAsUser = async (
  repository: Repository,
  request: MountRequest,
): Promise<Mounted> => {
  const { mountpoint, commit, subdir, options } = request
  if (options.suid || options.dev)
    throw new DendroError(
      'PERMISSION_DENIED',
      'cannot mount with suid or dev: only root may',
      { hint: 'leave the option out, or mount as root' },
    )
  const directory = privateRuntimeDirectory(repository.identity, mountpoint)
  makeRuntimeDirectory(directory)
  const config: ServerConfig = {
    ...baseConfig(repository, directory, options),
    mountpoint,
    isPrivileged: false,
    root:
      commit === undefined
        ? undefined
        : { commit: digestToHex(commit), subdir },
    endsWhenUnused: false,
  }
  if (canBecomeServer(options))
    becomeServer(config, { onReady: () => tellStarter(READY) })
  return { mountpoint, serverPid: await startServer(config) }
}
