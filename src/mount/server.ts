/**
 * The server: this thread talks to the kernel, another one (control.ts) to
 * everybody else.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  MessageChannel,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import { DendroError } from '../errors.ts'
import {
  MS_NODEV,
  MS_NOSUID,
  mountDevice,
  mountDeviceAsUser,
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
import type { ControlSetup } from './control.ts'
import { failures, toErrno } from './errno.ts'
import { SERVER_STATE } from './server-config.ts'
import type { ControlMessage, ServerConfig } from './server-config.ts'
import { View } from './view.ts'
import type { ViewOptions } from './view.ts'

const FRAME_CACHE_BYTES = 32 * MIB
const TREE_CACHE_BYTES = 32 * MIB
const ACL_PREFIX = 'system.posix_acl_'

/** Names of the xattrs in any commit: they decide what the kernel may ask. */
const xattrNamesOf = (repository: Repository): Set<string> => {
  const names = new Set<string>()
  for (const id of repository.commits.list())
    for (const name of repository.commits.load(id).summary.xattrNames)
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
  readonly counters = new Float64Array(
    new SharedArrayBuffer((MAX_COUNTED_OPCODE + 1) * 8),
  )
  readonly #config: ServerConfig
  readonly #ports = new MessageChannel()

  constructor(config: ServerConfig) {
    process.title = `@dendro ${config.mountpoint}`
    // Nothing of the caller's directory is held, and none is looked into.
    process.chdir('/')
    const repository = Repository.open(config.repository, {
      frameCacheBytes: FRAME_CACHE_BYTES,
      treeCacheBytes: TREE_CACHE_BYTES,
    })
    this.#config = config
    this.view = new View(repository, viewOptions(repository, config.root))
    const names = xattrNamesOf(repository)
    this.xattrs =
      config.xattrs === 'auto' ? names.size > 0 : config.xattrs === 'on'
    this.posixAcl =
      this.xattrs && [...names].some(name => name.startsWith(ACL_PREFIX))
  }

  /** Leaves word of the server in its runtime directory. */
  writeState(): void {
    writeFileSync(
      join(this.#config.runtimeDirectory, SERVER_STATE),
      `${JSON.stringify({ ...this.#config, pid: process.pid })}\n`,
    )
  }

  /** `fd` and `wakeFd` are -1 for a transport that has none. */
  startControl(fd: number, wakeFd: number): void {
    const { xattrs, counters } = this
    const port = this.#ports.port2
    const config = this.#config
    const setup: ControlSetup = { config, fd, wakeFd, counters, xattrs, port }
    new Worker(siblingModule(import.meta.url, 'control'), {
      workerData: setup,
      transferList: [port],
      stdout: false,
      stderr: false,
    })
  }

  /** Answers what the control thread asked, without an event loop. */
  answerWaiting(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#ports.port1) as
        { message: ControlMessage } | undefined
      if (received === undefined) return
      this.#answer(received.message)
    }
  }

  /** Answers the control thread from the event loop. */
  answerAlways(): void {
    this.#ports.port1.on('message', (message: ControlMessage) =>
      this.#answer(message),
    )
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

  #answer(message: ControlMessage): void {
    const { port1 } = this.#ports
    if (message.type === 'refresh')
      port1.postMessage({
        type: 'invalidate',
        invalidations: this.#refresh(),
      })
    else
      port1.postMessage({
        type: 'stats',
        id: message.id,
        nodes: this.view.nodes,
        failures: Object.fromEntries(failures),
      })
  }
}

/**
 * Mounts and serves until unmounted; blocks this thread.
 * Errors: those of mounting and of opening the repository.
 */
export const serve = (config: ServerConfig, hooks: ServeHooks): void => {
  const service = new Service(config)
  const fd = mountDeviceFor(config)
  const wakeFd = check(shim().eventfd(), 'cannot make an eventfd')
  service.writeState()
  hooks.onMounted?.()
  const { xattrs, posixAcl, counters } = service
  new Session(fd, wakeFd, service.view, {
    xattrs,
    posixAcl,
    maxReadaheadBytes: config.readAheadKib * KIB,
    spinMicros: config.spinMicros,
    counters,
    toErrno,
    onReady: () => {
      service.startControl(fd, wakeFd)
      hooks.onReady()
    },
    onWake: () => service.answerWaiting(),
  }).run()
}

const NO_DESCRIPTOR = -1
const UNMOUNTED_CHECK_MS = 1000

/** The same through fuse-native, from the event loop; resolves when unmounted. */
export const servePortable = async (
  config: ServerConfig,
  hooks: ServeHooks,
): Promise<void> => {
  const service = new Service(config)
  await mountNativeTransport(config.mountpoint, service.view, {
    fsname: config.repository,
    allowOther: config.isPrivileged || config.allowOther,
    counters: service.counters,
    toErrno,
  })
  service.writeState()
  service.answerAlways()
  service.startControl(NO_DESCRIPTOR, NO_DESCRIPTOR)
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
