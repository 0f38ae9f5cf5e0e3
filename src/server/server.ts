/**
 * The server: this thread talks to the kernel, another one (control.ts) to
 * everybody else.
 */

import { readSync, writeSync } from '../system/files.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { DendroError } from '../errors.ts'
import { mountDevice, mountDeviceAsUser } from '../fuse/device.ts'
import { mountNativeTransport } from '../fuse/native-transport.ts'
import { Session } from '../fuse/session.ts'
import { makeCounters } from '../fuse/tally.ts'
import { check, shim } from '../system/native.ts'
import { findMount, readMountTable } from '../system/mount-table.ts'
import { MNT_DETACH, MS_NODEV, MS_NOSUID, unmountAt } from '../system/mounts.ts'
import { WakeLatency } from '../system/wake-latency.ts'
import { KIB } from '../units.ts'
import type { ControlProgram } from './control-setup.ts'
import { toErrno } from './errno.ts'
import { startKeeper } from './keeper.ts'
import type { Keeper } from './keeper.ts'
import { isForMachine } from './server-config.ts'
import type { ServerConfig } from './server-config.ts'
import { Service } from './service.ts'
import { forgetDescriptors, storeDescriptors } from './service-manager.ts'
import { SharedState } from './shared-state.ts'
import { KEEPER_SAYS, SERVER_SAYS } from '../system/protocol.ts'

const mountDeviceFor = (config: ServerConfig): number =>
  config.isPrivileged
    ? mountDevice(config.mountpoint, config.repository, MS_NOSUID | MS_NODEV)
    : mountDeviceAsUser(config.mountpoint, config.repository, config.allowOther)

export interface ServeHooks {
  /** The filesystem is mounted, and answers once this thread serves. */
  readonly onMounted?: () => void
  /** The mount answers. Runs on the serving thread: it must not wait for it. */
  readonly onReady: () => void
  /** What the control thread runs; control.ts unless another one is given. */
  readonly control?: ControlProgram
}

/** A mounted connection of this process, from INIT or from a takeover. */
interface Connection {
  readonly fd: number
  readonly state: SharedState
  readonly keeper: Keeper
}

/**
 * systemd-shutdown stops all processes, also those that it will let live, and
 * then looks for /etc/initrd-release (systemd, src/shutdown/killall.c). Where
 * /etc is in the mount, a server that stays stopped would be waited for for
 * ever. docs/reliability.md
 */
const CONTINUE_MS = 500

/** A mount is looked at right after it was made; its server's threads can wait. */
const SETTLE_MS = 150

const runSession = (
  config: ServerConfig,
  service: Service,
  { fd, state, keeper }: Connection,
  hooks: Omit<ServeHooks, 'onMounted'> & { readonly isTakeover: boolean },
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
      hooks.control,
    )
  const startThreads = (): void => {
    service.startAhead(fd, wakeFd)
    startControl()
  }
  // Until then the processors are for those who came right after the mount;
  // what another program of the thread does is waited for.
  const afterMs = hooks.control === undefined ? SETTLE_MS : 0
  // Not wanted by who does not want the server to look for requests either.
  const latency = new WakeLatency(config.spinMicros > 0)
  const session = new Session(fd, wakeFd, service.view, {
    journal: state.journal,
    negotiated: state.negotiated,
    ...service.settled,
    maxReadaheadBytes: config.readAheadKib * KIB,
    resend: config.resend,
    spinMicros: () => service.spinMicros(),
    counters: state.counters,
    toErrno,
    onReady: hooks.onReady,
    settled: { afterMs, then: startThreads },
    onBurst: isOn => {
      if (isOn) latency.hold()
      else latency.release()
    },
    onStray: opcode => service.tellStray(opcode),
    isCalled: () => service.isCalled,
    onWake: () => service.answerWaiting(),
  })
  service.onResend = () => session.resend()
  if (hooks.isTakeover) {
    startThreads()
    session.recover(state.inHand)
    hooks.onReady()
  }
  if (isForMachine(config))
    check(shim().continueEvery(CONTINUE_MS), 'cannot make a timer')
  while (session.run() === 'stopped') service.waitPaused()
  service.end()
}

/**
 * Mounts and serves until unmounted; blocks this thread.
 * Errors: those of mounting and of opening the repository.
 */
export const serve = (config: ServerConfig, hooks: ServeHooks): void => {
  const state = SharedState.create()
  const service = new Service(config, { state })
  Object.assign(state, service.settled)
  state.serverPid = process.pid
  const fd = mountDeviceFor(config)
  let keeper: Keeper
  try {
    keeper = startKeeper(config, { fuse: fd, state: state.fd }, service.events)
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
    { ...hooks, isTakeover: false },
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
  const { xattrs, posixAcl } = state
  const settled = { xattrs, posixAcl }
  const service = new Service(config, { state, settled })
  const keeper =
    socket === undefined
      ? startKeeper(config, { fuse, state: stateFd }, service.events)
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
        if (socket !== undefined) writeSync(socket, `${SERVER_SAYS.serving}\n`)
        onReady()
      },
    },
  )
  forgetDescriptors()
}

/** Tells the keeper that we could, and sleeps until we shall. */
const waitForTurn = (socket: number): Keeper => {
  writeSync(socket, `${SERVER_SAYS.standby}\n`)
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
  if (said !== `${KEEPER_SAYS.serve}\n`)
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
  const counters = makeCounters()
  const service = new Service(config, { counters })
  await mountNativeTransport(config.mountpoint, service.view, {
    fsname: config.repository,
    allowOther: config.isPrivileged || config.allowOther,
    counters,
    toErrno,
  })
  service.writeState(0)
  service.answerAlways()
  service.startControl(NO_DESCRIPTORS)
  hooks.onReady()
  // libfuse 2 does not tell when it is unmounted: the mount table does.
  const device = findMount(config.mountpoint)?.device
  while (isSuperblockMounted(device)) await sleep(UNMOUNTED_CHECK_MS)
}

/** Whether any mount of the superblock is left. */
const isSuperblockMounted = (device: string | undefined): boolean =>
  readMountTable().some(entry => entry.device === device)
