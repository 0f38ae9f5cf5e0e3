/**
 * The server: this thread talks to the kernel, another one (control.ts) to
 * everybody else.
 */

import { readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  MessageChannel,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import { DendroError } from '../errors.ts'
import {
  MNT_DETACH,
  MS_NODEV,
  MS_NOSUID,
  mountDevice,
  mountDeviceAsUser,
  unmountAt,
} from '../fuse/device.ts'
import { MAX_COUNTED_OPCODE } from '../fuse/layout.ts'
import type { Invalidation } from '../fuse/notify.ts'
import { mountNativeTransport } from '../fuse/native-transport.ts'
import { Session } from '../fuse/session.ts'
import { digestFromHex } from '../objects/digest.ts'
import { Repository } from '../store/repository.ts'
import { check, shim } from '../system/native.ts'
import { findMount, readMountTable } from '../system/mount-table.ts'
import { siblingModule } from '../system/sibling-module.ts'
import { requirePath } from '../tree/lookup.ts'
import { KIB, MIB } from '../units.ts'
import { GATE_ENDING } from './server-config.ts'
import type { ControlSetup } from './control.ts'
import { failures, toErrno } from './errno.ts'
import { eventLogOf, tellDamage } from './news.ts'
import { startKeeper } from './keeper.ts'
import type { Keeper } from './keeper.ts'
import { VIEW_NODES } from './server-config.ts'
import type {
  ControlMessage,
  ServerConfig,
  ServerMessage,
} from './server-config.ts'
import { writeState } from './server-state.ts'
import { forgetDescriptors, storeDescriptors } from './service-manager.ts'
import { SharedState } from './shared-state.ts'
import { fileJournal } from './virtual-journal.ts'
import { View } from './view.ts'
import type { ViewOptions } from './view.ts'

const FRAME_CACHE_BYTES = 32 * MIB
const TREE_CACHE_BYTES = 32 * MIB
const ACL_PREFIX = 'system.posix_acl_'

/** Names of the xattrs in any commit: they decide what the kernel may ask. */
const xattrNamesOf = (repository: Repository): Set<string> => {
  const names = new Set<string>()
  for (const id of repository.commits.list())
    // A commit may be pruned between the two.
    for (const name of repository.commits.get(id)?.summary.xattrNames ?? [])
      names.add(name)
  return names
}

const viewOptions = (
  repository: Repository,
  root: ServerConfig['root'],
): ViewOptions => {
  if (root === undefined) return {}
  const commit = digestFromHex(root.commit)
  if (commit === undefined)
    throw new DendroError('INVALID_ARGUMENT', `bad commit id ${root.commit}`)
  const loaded = repository.commits.load(commit)
  const object = requirePath(repository, loaded.root, root.subdir)
  if (object.kind !== 'directory')
    throw new DendroError(
      'NOT_A_DIRECTORY',
      `cannot mount ${root.subdir}: it is not a directory`,
    )
  return { root: { commit, object } }
}

const mountDeviceFor = (config: ServerConfig): number =>
  config.isPrivileged
    ? mountDevice(config.mountpoint, config.repository, MS_NOSUID | MS_NODEV)
    : mountDeviceAsUser(config.mountpoint, config.repository, config.allowOther)

export interface ServeHooks {
  /** The filesystem is mounted, and answers once this thread serves. */
  readonly onMounted?: () => void
  /** The mount answers. Runs on the serving thread: it must not wait for it. */
  readonly onReady: () => void
}

/** What both transports serve, and how they hear of the control thread. */
class Service {
  readonly view: View
  readonly xattrs: boolean
  readonly posixAcl: boolean
  /** Set by the control thread's word: another server is to take over. */
  isPausing = false
  readonly #config: ServerConfig
  readonly #state: SharedState | undefined
  readonly #ports = new MessageChannel()
  /** The gate, and the socket to the keeper of the moment. */
  readonly #gate = new Int32Array(new SharedArrayBuffer(8))

  constructor(config: ServerConfig, state: SharedState | undefined) {
    process.title = `@dendro ${config.mountpoint}`
    // Nothing of the caller's directory is held, and none is looked into.
    process.chdir('/')
    const repository = Repository.open(config.repository, {
      frameCacheBytes: FRAME_CACHE_BYTES,
      treeCacheBytes: TREE_CACHE_BYTES,
      reusesBuffers: true,
    })
    this.#config = config
    this.#state = state
    tellDamage(repository, eventLogOf(config))
    const journal = join(config.runtimeDirectory, VIEW_NODES)
    this.view = new View(repository, {
      ...viewOptions(repository, config.root),
      ...(state === undefined
        ? {}
        : { rows: state.rows, journal: fileJournal(journal) }),
    })
    const names = xattrNamesOf(repository)
    this.xattrs =
      config.xattrs === 'auto' ? names.size > 0 : config.xattrs === 'on'
    this.posixAcl =
      this.xattrs && [...names].some(name => name.startsWith(ACL_PREFIX))
  }

  /** Leaves word of the server in its runtime directory. */
  writeState(keeperPid: number): void {
    writeState(this.#config, { pid: process.pid, keeperPid })
  }

  /** The descriptors are -1 for a transport that has none. */
  startControl(
    descriptors: Pick<
      ControlSetup,
      'fd' | 'wakeFd' | 'stateFd' | 'keeperSocket' | 'keeperPid'
    >,
    counters: Float64Array | undefined,
    xattrs: boolean,
  ): void {
    const port = this.#ports.port2
    Atomics.store(this.#gate, 1, descriptors.keeperSocket)
    const setup: ControlSetup = {
      ...descriptors,
      config: this.#config,
      counters,
      xattrs,
      port,
      gate: this.#gate,
    }
    new Worker(siblingModule(import.meta.url, 'control'), {
      workerData: setup,
      transferList: [port],
      stdout: false,
      stderr: false,
    })
  }

  /** Answers what the control thread asked, without an event loop. */
  answerWaiting(): boolean {
    for (;;) {
      const received = receiveMessageOnPort(this.#ports.port1) as
        { message: ControlMessage } | undefined
      if (received === undefined) return this.isPausing
      this.#answer(received.message)
    }
  }

  /** Answers the control thread from the event loop. */
  answerAlways(): void {
    this.#ports.port1.on('message', (message: ControlMessage) =>
      this.#answer(message),
    )
  }

  /** The mount is gone: what ends now is not to be started again. */
  end(): void {
    Atomics.store(this.#gate, 0, GATE_ENDING)
    try {
      writeSync(Atomics.load(this.#gate, 1), 'bye\n')
    } catch {
      // It died just now; another one sees that the connection is gone.
    }
  }

  /** Sleeps until the control thread says to go on (it may end us instead). */
  waitPaused(): void {
    this.#send({ type: 'paused' })
    Atomics.wait(this.#gate, 0, 0)
    Atomics.store(this.#gate, 0, 0)
    this.isPausing = false
    if (this.#state !== undefined) this.view.restore()
  }

  /** A repository that cannot be read now is looked at again at the next news. */
  #refresh(): Invalidation[] {
    try {
      return this.view.refresh()
    } catch (error) {
      toErrno(error)
      return []
    }
  }

  #send(message: ServerMessage): void {
    this.#ports.port1.postMessage(message)
  }

  #answer(message: ControlMessage): void {
    const { view } = this
    switch (message.type) {
      case 'refresh':
        this.#send({ type: 'invalidate', invalidations: this.#refresh() })
        return
      case 'pause':
        this.isPausing = true
        return
      case 'condemn':
        this.#send({
          type: 'condemned',
          id: message.id,
          inUse: view.condemn(message.commits),
          invalidations: view.letGo(message.commits),
        })
        return
      case 'pardon':
        view.pardon(message.commits)
        return
      case 'stats':
        this.#send({
          type: 'stats',
          id: message.id,
          nodes: view.nodes,
          failures: Object.fromEntries(failures),
        })
    }
  }
}

/** A mounted connection of this process, from INIT or from a takeover. */
interface Connection {
  readonly fd: number
  readonly state: SharedState
  readonly keeper: Keeper
}

const runSession = (
  config: ServerConfig,
  service: Service,
  { fd, state, keeper }: Connection,
  hooks: { readonly isTakeover: boolean; readonly onReady: () => void },
): void => {
  const wakeFd = check(shim().eventfd(), 'cannot make an eventfd')
  const startControl = (): void =>
    service.startControl(
      {
        fd,
        wakeFd,
        stateFd: state.fd,
        keeperSocket: keeper.socket,
        keeperPid: keeper.pid,
      },
      undefined,
      state.xattrs,
    )
  const session = new Session(fd, wakeFd, service.view, {
    request: state.request,
    negotiated: state.negotiated,
    xattrs: state.xattrs,
    posixAcl: state.posixAcl,
    maxReadaheadBytes: config.readAheadKib * KIB,
    resend: config.resend,
    spinMicros: config.spinMicros,
    counters: state.counters,
    toErrno,
    onReady: () => {
      startControl()
      hooks.onReady()
    },
    onWake: () => service.answerWaiting(),
  })
  if (hooks.isTakeover) {
    session.recover(state.inHand)
    startControl()
    hooks.onReady()
  }
  while (session.run() === 'stopped') service.waitPaused()
  service.end()
}

/**
 * Mounts and serves until unmounted; blocks this thread.
 * Errors: those of mounting and of opening the repository.
 */
export const serve = (config: ServerConfig, hooks: ServeHooks): void => {
  const state = SharedState.create()
  const service = new Service(config, state)
  state.xattrs = service.xattrs
  state.posixAcl = service.posixAcl
  state.serverPid = process.pid
  const fd = mountDeviceFor(config)
  let keeper: Keeper
  try {
    keeper = startKeeper(
      config,
      { fuse: fd, state: state.fd },
      eventLogOf(config).path,
    )
  } catch (error) {
    unmountAt(config.mountpoint, MNT_DETACH)
    throw error
  }
  service.writeState(keeper.pid)
  storeDescriptors({ fuse: fd, state: state.fd })
  hooks.onMounted?.()
  runSession(
    config,
    service,
    { fd, state, keeper },
    {
      isTakeover: false,
      onReady: hooks.onReady,
    },
  )
  forgetDescriptors()
}

export interface Takeover {
  readonly fuse: number
  readonly state: number
  /** The socket to the keeper that started us; a keeper is started without one. */
  readonly socket: number | undefined
}

/**
 * Serves a mount that another server served, until unmounted. Ready to, it
 * waits for the keeper's word; until then the other one may still serve.
 */
export const takeOver = (
  config: ServerConfig,
  { fuse, state: stateFd, socket }: Takeover,
  onReady: () => void,
): void => {
  const state = SharedState.attach(stateFd)
  const service = new Service(config, state)
  const keeper =
    socket === undefined
      ? startKeeper(config, { fuse, state: stateFd }, eventLogOf(config).path)
      : waitForTurn(socket)
  state.serverPid = process.pid
  service.view.restore()
  service.writeState(keeper.pid)
  runSession(
    config,
    service,
    { fd: fuse, state, keeper },
    {
      isTakeover: true,
      onReady: () => {
        if (socket !== undefined) writeSync(socket, 'serving\n')
        onReady()
      },
    },
  )
  forgetDescriptors()
}

/** Tells the keeper that we could, and sleeps until we shall. */
const waitForTurn = (socket: number): Keeper => {
  writeSync(socket, 'standby\n')
  const line = Buffer.alloc(1)
  let said = ''
  while (!said.endsWith('\n')) {
    if (readSync(socket, line) === 0)
      throw new DendroError(
        'MOUNT_FAILED',
        'cannot take over: the keeper ended',
      )
    said += line.toString('latin1')
  }
  if (said !== 'serve\n')
    throw new DendroError('MOUNT_FAILED', `cannot take over: told ${said}`)
  return { pid: process.ppid, socket }
}

const NO_DESCRIPTORS = {
  fd: -1,
  wakeFd: -1,
  stateFd: -1,
  keeperSocket: -1,
  keeperPid: 0,
}
const UNMOUNTED_CHECK_MS = 1000

/** The same through fuse-native, from the event loop; resolves when unmounted. */
export const servePortable = async (
  config: ServerConfig,
  hooks: ServeHooks,
): Promise<void> => {
  const service = new Service(config, undefined)
  const counters = new Float64Array(
    new SharedArrayBuffer((MAX_COUNTED_OPCODE + 1) * 8),
  )
  await mountNativeTransport(config.mountpoint, service.view, {
    fsname: config.repository,
    allowOther: config.isPrivileged || config.allowOther,
    counters,
    toErrno,
  })
  service.writeState(0)
  service.answerAlways()
  service.startControl(NO_DESCRIPTORS, counters, service.xattrs)
  hooks.onReady()
  // libfuse 2 does not tell when it is unmounted: the mount table does.
  while (isSuperblockMounted(config.mountpoint)) await sleep(UNMOUNTED_CHECK_MS)
}

let device: string | undefined

/** Whether any mount of the superblock first mounted at `mountpoint` is left. */
const isSuperblockMounted = (mountpoint: string): boolean => {
  device ??= findMount(mountpoint)?.device
  return readMountTable().some(entry => entry.device === device)
}
