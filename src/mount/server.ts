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
import { DendroError } from '../errors.ts'
import {
  MS_NODEV,
  MS_NOSUID,
  mountDevice,
  mountDeviceAsUser,
} from '../fuse/device.ts'
import { MAX_COUNTED_OPCODE } from '../fuse/layout.ts'
import { Session } from '../fuse/session.ts'
import { digestFromHex } from '../objects/digest.ts'
import { Repository } from '../store/repository.ts'
import { check, shim } from '../system/native.ts'
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

/**
 * Mounts and serves until unmounted; blocks this thread.
 * Errors: those of mounting and of opening the repository.
 */
export const serve = (config: ServerConfig, hooks: ServeHooks): void => {
  process.title = `@dendro ${config.mountpoint}`
  // Nothing of the caller's directory is held, and none is looked into.
  process.chdir('/')
  const repository = Repository.open(config.repository, {
    frameCacheBytes: FRAME_CACHE_BYTES,
    treeCacheBytes: TREE_CACHE_BYTES,
  })
  const view = new View(repository, viewOptions(repository, config.root))
  const names = xattrNamesOf(repository)
  const xattrs =
    config.xattrs === 'auto' ? names.size > 0 : config.xattrs === 'on'
  const posixAcl =
    xattrs && [...names].some(name => name.startsWith(ACL_PREFIX))
  const counters = new Float64Array(
    new SharedArrayBuffer((MAX_COUNTED_OPCODE + 1) * 8),
  )
  const fd = mountDeviceFor(config)
  const wakeFd = check(shim().eventfd(), 'cannot make an eventfd')
  const { port1, port2 } = new MessageChannel()
  const setup: ControlSetup = {
    config,
    fd,
    wakeFd,
    counters,
    xattrs,
    port: port2,
  }
  writeFileSync(
    join(config.runtimeDirectory, SERVER_STATE),
    `${JSON.stringify({ ...config, pid: process.pid })}\n`,
  )
  hooks.onMounted?.()

  const onWake = (): void => {
    for (;;) {
      const received = receiveMessageOnPort(port1) as
        { message: ControlMessage } | undefined
      if (received === undefined) return
      const { message } = received
      if (message.type === 'refresh')
        port1.postMessage({ type: 'invalidate', invalidations: view.refresh() })
      else
        port1.postMessage({
          type: 'stats',
          id: message.id,
          nodes: view.nodes,
          failures: Object.fromEntries(failures),
        })
    }
  }

  const startControl = (): void => {
    new Worker(siblingModule(import.meta.url, 'control'), {
      workerData: setup,
      transferList: [port2],
      stdout: false,
      stderr: false,
    })
    hooks.onReady()
  }

  new Session(fd, wakeFd, view, {
    xattrs,
    posixAcl,
    maxReadaheadBytes: config.readAheadKib * KIB,
    spinMicros: config.spinMicros,
    counters,
    toErrno,
    onReady: startControl,
    onWake,
  }).run()
}
