/**
 * The control thread of a server: a socket for questions, the watch on the
 * repository, and the messages to the kernel.
 *
 * It never touches the mount itself: the thread that serves could not answer
 * and give it what it asks for.
 */

import {
  readdirSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { errnoOf } from '../errors.ts'
import { MNT_DETACH, unmountAt } from '../fuse/device.ts'
import { MAX_COUNTED_OPCODE, OPCODE_NAMES } from '../fuse/layout.ts'
import { sendInvalidation } from '../fuse/notify.ts'
import type { Invalidation } from '../fuse/notify.ts'
import { findMount, readMountTable } from '../system/mount-table.ts'
import { CONTROL_SOCKET } from './server-config.ts'
import type { ServerConfig, ServerStatistics } from './server-config.ts'

export interface ControlSetup {
  readonly config: ServerConfig
  readonly fd: number
  readonly wakeFd: number
  readonly counters: Float64Array
  readonly xattrs: boolean
  readonly port: MessagePort
}

const UNUSED_CHECK_MS = 10_000
const SETTLE_MS = 20

const { config, fd, wakeFd, counters, xattrs, port } =
  workerData as ControlSetup

type FromServer =
  | { type: 'invalidate'; invalidations: Invalidation[] }
  | {
      type: 'stats'
      id: number
      nodes: number
      failures: Record<string, number>
    }

const waiting = new Map<
  number,
  (reply: FromServer & { type: 'stats' }) => void
>()
let nextId = 1

const ONE = Buffer.alloc(8)
ONE.writeBigUInt64LE(1n)
const wake = (): void => {
  // Without a descriptor the serving thread has an event loop of its own.
  if (wakeFd >= 0) writeSync(wakeFd, ONE)
}

port.on('message', (message: FromServer) => {
  if (message.type === 'invalidate') {
    if (fd < 0) return
    for (const invalidation of message.invalidations)
      sendInvalidation(fd, invalidation)
    return
  }
  waiting.get(message.id)?.(message)
  waiting.delete(message.id)
})

const refresh = (): void => {
  port.postMessage({ type: 'refresh' })
  wake()
}

const requestCounts = (): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (let opcode = 0; opcode <= MAX_COUNTED_OPCODE; opcode++) {
    const count = counters[opcode] as number
    if (count > 0) counts[OPCODE_NAMES[opcode] ?? `OPCODE_${opcode}`] = count
  }
  return counts
}

const statistics = async (): Promise<ServerStatistics> => {
  const requests = requestCounts()
  const id = nextId++
  const reply = await new Promise<FromServer & { type: 'stats' }>(resolve => {
    waiting.set(id, resolve)
    port.postMessage({ type: 'stats', id })
    wake()
  })
  return {
    pid: process.pid,
    mountpoint: config.mountpoint,
    repository: config.repository,
    transport: config.transport,
    xattrs,
    nodes: reply.nodes,
    rssBytes: process.memoryUsage.rss(),
    requests,
    failures: reply.failures,
  }
}

/** Whether any mount of this superblock is left but the first one. */
const isUsed = (): boolean => {
  const own = findMount(config.mountpoint)
  if (own === undefined) return true
  return readMountTable().some(
    entry =>
      entry.device === own.device && entry.mountpoint !== config.mountpoint,
  )
}

const endIfUnused = (): boolean => {
  if (!config.endsWhenUnused || isUsed()) return false
  rmSync(join(config.runtimeDirectory, CONTROL_SOCKET), { force: true })
  // The serving thread is told by the kernel once nobody holds a file.
  unmountAt(config.mountpoint, MNT_DETACH)
  return true
}

const answer = async (line: string): Promise<unknown> => {
  switch (line.trim()) {
    case 'ping':
      return { ok: true }
    case 'stats':
      return statistics()
    case 'release':
      return { ended: endIfUnused() }
    case 'refresh':
      refresh()
      return { ok: true }
    default:
      return { error: 'unknown question' }
  }
}

const listen = (): void => {
  const path = join(config.runtimeDirectory, CONTROL_SOCKET)
  rmSync(path, { force: true })
  createServer(socket => {
    let text = ''
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy())
    socket.on('data', (data: string) => {
      text += data
      if (text.length > 4096) socket.destroy()
      if (!text.includes('\n')) return
      void answer(text).then(reply => socket.end(`${JSON.stringify(reply)}\n`))
    })
  }).listen(path)
}

/** Every publication replaces the file `generation` in the repository. */
const watchRepository = (): void => {
  let timer: NodeJS.Timeout | undefined
  const changed = (): void => {
    // A publication is a burst; the first event starts the wait for its end.
    timer ??= setTimeout(() => {
      timer = undefined
      refresh()
    }, SETTLE_MS)
  }
  try {
    const watcher = watch(config.repository, (_event, name) => {
      if (name === null || name === 'generation') changed()
    })
    watcher.on('error', () => pollRepository(changed))
  } catch {
    // Out of inotify watches: look twice a second instead.
    pollRepository(changed)
  }
}

const pollRepository = (changed: () => void): void => {
  let last = 0
  setInterval(() => {
    const now =
      statSync(join(config.repository, 'generation'), { throwIfNoEntry: false })
        ?.ino ?? 0
    if (now !== last) changed()
    last = now
  }, 500)
}

/** The kernel's readahead window is small by default and only root may raise it. */
const raiseReadAhead = (): void => {
  const own = findMount(config.mountpoint)
  if (own === undefined || !config.isPrivileged) return
  const path = `/sys/class/bdi/${own.device}/read_ahead_kb`
  try {
    if (readdirSync('/sys/class/bdi').includes(own.device))
      writeFileSync(path, String(config.readAheadKib))
  } catch (error) {
    writeSync(2, `dendro: cannot set ${path}: ${errnoOf(error)}\n`)
  }
}

listen()
raiseReadAhead()
watchRepository()
// What was published while the server started.
refresh()
if (config.endsWhenUnused) setInterval(endIfUnused, UNUSED_CHECK_MS)
