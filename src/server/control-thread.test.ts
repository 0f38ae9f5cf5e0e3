import { connect } from 'node:net'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import t from 'tap'
import type { Test } from 'tap'
import { Repository } from '../store/repository.ts'
import { EventLog, readEvents } from '../store/event-log.ts'
import { mkdirSync, renameSync } from '../system/files.ts'
import { controlAddress } from './control-socket.ts'
import { ControlThread } from './control-thread.ts'
import { GATE } from './server-config.ts'
import type { ControlMessage, ServerConfig } from './server-config.ts'
import { readState, writeState } from './server-state.ts'

const NO_DESCRIPTORS = { fd: -1, wakeFd: -1, stateFd: -1 }

/** Asks at the socket of a runtime directory. */
const ask = (directory: string, question: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const socket = connect(controlAddress(directory))
    let text = ''
    socket.on('data', (data: Buffer) => (text += data.toString()))
    socket.on('end', () => resolve(JSON.parse(text)))
    socket.on('error', reject)
    socket.write(`${question}\n`)
  })

/** What a serving thread answers; it keeps what it was told. */
const playServingThread = (port: MessageChannel['port1']): string[] => {
  const heard: string[] = []
  port.on('message', (message: ControlMessage) => {
    heard.push(message.type)
    if (message.type === 'stats')
      port.postMessage({
        ...{ type: 'stats', id: message.id, nodes: 12, storedFiles: 3 },
        ...{ requests: { READ: 4 }, outcomes: {}, failures: {} },
      })
    if (message.type === 'reads')
      port.postMessage({ type: 'reads', id: message.id, objects: ['aa'] })
    if (message.type === 'condemn')
      port.postMessage({
        ...{ type: 'condemned', id: message.id, inUse: message.commits },
        invalidations: [],
      })
  })
  return heard
}

/** A control thread of a transport without descriptors, over a real repository. */
const start = (t: Test) => {
  const base = t.testdir({ run: {} })
  const path = join(base, 'repo')
  const repository = Repository.create(path)
  const runtimeDirectory = join(base, 'run')
  const { port1, port2 } = new MessageChannel()
  const config: ServerConfig = {
    ...{ repository: path, mountpoint: join(base, 'mnt'), runtimeDirectory },
    ...{ isPrivileged: false, allowOther: false, endsWhenUnused: false },
    xattrs: 'auto',
    transport: 'fuse-native',
    ...{ readAheadKib: 0, spinMicros: 0, watchdogMs: 0 },
    ...{ ahead: false, resend: false, root: undefined },
  }
  const sent: unknown[] = []
  const thread = new ControlThread(
    {
      ...NO_DESCRIPTORS,
      ...{ config, keeperSocket: -1, keeperPid: 0, port: port2 },
      repository: { fd: repository.paths.directory.fd, path },
      settled: { xattrs: true, posixAcl: true },
      gate: new Int32Array(new SharedArrayBuffer(GATE.words * 4)),
      first: undefined,
    },
    {
      repository: repository.paths.directory,
      events: new EventLog(join(runtimeDirectory, 'events')),
      state: undefined,
      sendAll: invalidations => sent.push(...invalidations),
      startKeeper: () => {
        throw new Error('there is none')
      },
      exit: () => undefined,
    },
  )
  const heard = playServingThread(port1)
  thread.start()
  t.teardown(() => {
    thread.stop()
    port1.close()
    repository.close()
  })
  const asks = (question: string) => ask(runtimeDirectory, question)
  return {
    asks,
    heard,
    sent,
    port: port1,
    base,
    path,
    runtimeDirectory,
    config,
  }
}

t.test('it is asked at its socket, and asks the serving thread', async t => {
  const { asks, heard, path } = start(t)
  t.same(await asks('ping'), { ok: true })
  t.match(await asks('stats'), {
    ...{ pid: process.pid, keeperPid: 0, repository: path },
    ...{ transport: 'fuse-native', xattrs: true, acls: false },
    ...{ nodes: 12, storedFiles: 3, requests: { READ: 4 } },
  })
  t.same(await asks('reads'), ['aa'])
  t.same(await asks('refresh'), { ok: true })
  t.same(await asks('release'), { ended: false })
  t.same(await asks('what'), { error: 'unknown question' })
  t.equal(heard[0], 'refresh', 'what was published meanwhile')
  t.same(heard.slice(1), ['stats', 'reads', 'refresh'])
})

t.test('without its mount every commit is in use', async t => {
  const { asks } = start(t)
  t.same(await asks('in-use\taa\tbb'), { inUse: ['aa', 'bb'] })
})

t.test('without a keeper no other server takes over', async t => {
  const { asks } = start(t)
  t.match(await asks('reload\t/bin/node\t/x'), {
    error: /^this mount has no keeper/,
  })
})

t.test('the kernel is told what the serving thread says', async t => {
  const { sent, port, asks, runtimeDirectory } = start(t)
  const invalidations = [{ kind: 'inode', nodeId: 5 }]
  port.postMessage({ type: 'invalidate', invalidations })
  port.postMessage({ type: 'stray', request: 'READ' })
  await asks('stats')
  t.same(sent, invalidations)
  t.match(readEvents(join(runtimeDirectory, 'events')), [
    { type: 'answer-refused', request: 'READ' },
  ])
})

t.test('the next server is told where the repository is by now', async t => {
  const { asks, base, path, runtimeDirectory, config } = start(t)
  writeState(config, { pid: 1, keeperPid: 0 })
  mkdirSync(join(base, 'elsewhere'))
  const moved = join(base, 'elsewhere/repo')
  renameSync(path, moved)
  t.match(await asks('stats'), { repository: moved })
  t.match(readState(runtimeDirectory), { repository: moved, pid: process.pid })
})
