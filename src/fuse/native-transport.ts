/**
 * The portable transport: libfuse 2 through the optional package fuse-native.
 *
 * It knows paths, not nodes: no readdirplus, no control of inode numbers, no
 * notifications, times to the millisecond, names only as UTF-8. What that
 * costs is in docs/fuse.md; on Linux the kernel transport is the default.
 */

import { createRequire } from 'node:module'
import { DendroError } from '../errors.ts'
import { finish } from '../steps.ts'
import { FuseErrno } from './handler.ts'
import type {
  Attributes,
  FileSystemStatistics,
  FuseHandler,
} from './handler.ts'
import * as kernel from './layout.ts'
import { listNames, withPath } from './path-nodes.ts'
import { encodeDevice } from './reply.ts'
import { Tally } from './tally.ts'

type Callback = (errno: number, ...values: unknown[]) => void

interface NativeFuse {
  mount(done: (error: Error | null) => void): void
}

type NativeFuseClass = new (
  mountpoint: string,
  operations: Readonly<Record<string, unknown>>,
  options: Readonly<Record<string, unknown>>,
) => NativeFuse

export interface NativeTransportOptions {
  readonly fsname: string
  readonly allowOther: boolean
  /** Requests as the kernel transport counts them (tally.ts). */
  readonly counters: Float64Array
  readonly toErrno: (error: unknown) => number
}

const loadPackage = (): NativeFuseClass => {
  try {
    return createRequire(import.meta.url)('fuse-native') as NativeFuseClass
  } catch (error) {
    throw new DendroError(
      'TRANSPORT_UNAVAILABLE',
      'cannot use the transport fuse-native: the package is not installed or does not load',
      {
        cause: error,
        hint: 'npm install fuse-native, or leave the option out',
      },
    )
  }
}

const statOf = (a: Attributes) => {
  const time = new Date(a.mtimeSec * 1000 + Math.floor(a.mtimeNsec / 1e6))
  return {
    mtime: time,
    atime: time,
    ctime: time,
    mode: a.mode,
    nlink: a.nlink,
    uid: a.uid,
    gid: a.gid,
    size: a.sizeBytes,
    blocks: a.blocks,
    rdev: encodeDevice(a.rdevMajor, a.rdevMinor),
  }
}

/** Answers a request of a kind through `done` exactly once, whatever `work` throws. */
type Answer = (opcode: number, done: Callback, work: () => unknown[]) => void

const answerWith = ({ counters, toErrno }: NativeTransportOptions): Answer => {
  const tally = new Tally(counters)
  return (opcode, done, work) => {
    tally.received(opcode)
    tally.answered()
    let values: unknown[]
    try {
      values = work()
    } catch (error) {
      done(-(error instanceof FuseErrno ? error.errno : toErrno(error)))
      return
    }
    done(0, ...values)
  }
}

/** Operations on names and attributes, by the names that the package gives them. */
const nameOperations = (handler: FuseHandler, answer: Answer) => ({
  getattr: (path: string, done: Callback) =>
    answer(kernel.FUSE_GETATTR, done, () => [
      withPath(handler, path, nodeId => statOf(handler.getattr(nodeId))),
    ]),
  readdir: (path: string, done: Callback) =>
    answer(kernel.FUSE_READDIR, done, () => [
      withPath(handler, path, nodeId => listNames(handler, nodeId)),
    ]),
  readlink: (path: string, done: Callback) =>
    answer(kernel.FUSE_READLINK, done, () => [
      withPath(handler, path, nodeId =>
        handler.readlink(nodeId).toString('utf8'),
      ),
    ]),
  statfs: (_path: string, done: Callback) =>
    answer(kernel.FUSE_STATFS, done, () => [statfsOf(handler.statfs())]),
  getxattr: (path: string, name: string, _position: number, done: Callback) =>
    answer(kernel.FUSE_GETXATTR, done, () => [
      withPath(handler, path, nodeId => handler.getxattr(nodeId, name)),
    ]),
  listxattr: (path: string, done: Callback) =>
    answer(kernel.FUSE_LISTXATTR, done, () => [
      withPath(handler, path, nodeId => namesIn(handler.listxattr(nodeId))),
    ]),
})

const statfsOf = ({ blocks, files }: FileSystemStatistics) => ({
  bsize: 4096,
  frsize: 4096,
  blocks,
  bfree: 0,
  bavail: 0,
  files,
  ffree: 0,
  favail: 0,
  fsid: 0,
  flag: 1,
  namemax: 255,
})

const namesIn = (list: Buffer): string[] =>
  list.toString('utf8').split('\0').filter(Boolean)

/** What the package passes to `read`. Here a count is the answer, and an errno a negative one. */
type ReadCall = [
  path: string,
  fd: number,
  into: Buffer,
  length: number,
  position: number,
  done: (count: number) => void,
]

/** Operations on what is opened. */
const fileOperations = (handler: FuseHandler, answer: Answer) => ({
  open: (_path: string, _flags: number, done: Callback) =>
    answer(kernel.FUSE_OPEN, done, () => [0]),
  release: (_path: string, _fd: number, done: Callback) =>
    answer(kernel.FUSE_RELEASE, done, () => []),
  read: (...[path, _fd, into, length, position, done]: ReadCall) => {
    let count = 0
    const settle: Callback = errno => done(errno < 0 ? errno : count)
    answer(kernel.FUSE_READ, settle, () => {
      withPath(handler, path, nodeId => {
        const parts = finish(handler.read(nodeId, position, length))
        for (const { bytes, begin, lengthBytes } of parts)
          count += bytes.copy(into, count, begin, begin + lengthBytes)
      })
      return []
    })
  },
})

/** Mounts at `mountpoint`; resolves when it answers. The event loop serves it. */
export const mountNativeTransport = (
  mountpoint: string,
  handler: FuseHandler,
  options: NativeTransportOptions,
): Promise<void> => {
  const Fuse = loadPackage()
  const answer = answerWith(options)
  const operations = {
    ...nameOperations(handler, answer),
    ...fileOperations(handler, answer),
  }
  const fuse = new Fuse(mountpoint, operations, {
    subtype: 'dendro',
    fsname: options.fsname.replace(/[\\,]/g, '\\$&'),
    allowOther: options.allowOther,
    defaultPermissions: true,
    force: false,
  })
  return new Promise((resolve, reject) =>
    fuse.mount(error => {
      if (error === null) resolve()
      else reject(mountError(mountpoint, error))
    }),
  )
}

const mountError = (mountpoint: string, error: Error): DendroError =>
  new DendroError(
    'MOUNT_FAILED',
    `cannot mount at ${mountpoint}: ${error.message}`,
    {
      cause: error,
      hint: 'the transport needs libfuse 2 (Debian package libfuse2)',
    },
  )
