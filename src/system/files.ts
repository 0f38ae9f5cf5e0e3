/**
 * `node:fs` for paths that need not be UTF-8 (bytes/byte-text.ts).
 *
 * The functions are those of Node with their signatures. A path in which a byte
 * is escaped reaches the system as that byte, and names that come back as text
 * come back escaped; Node itself would put U+FFFD in both. Buffers and
 * descriptors pass as they are. An error names what is behind a descriptor.
 * src/ imports files from here alone (scripts/build/check-layers.mjs).
 */

import fs from 'node:fs'
import {
  bytesToText,
  isEscaped,
  mayHaveLost,
  textToBytes,
} from '../bytes/byte-text.ts'

export {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  readSync,
  writeSync,
} from 'node:fs'
export type { BigIntStats, Dirent, Stats } from 'node:fs'

/** As Node takes it. */
const onDisk = (path: unknown): unknown =>
  typeof path === 'string' && isEscaped(path) ? textToBytes(path) : path

// The overloads of Node are kept by a cast: only the paths are changed.
/* eslint-disable @typescript-eslint/no-explicit-any */
type Call = (...args: any[]) => any

/** A path of what is open as `fd`: proc_pid_fd(5). It holds until `fd` is closed. */
export const descriptorPath = (fd: number): string => `/proc/self/fd/${fd}`

const DESCRIPTOR = /^(\/proc\/self\/fd\/\d+)(\/.*)?$/s

/** A path, also one through a descriptor (proc_pid_fd(5)), as people know it. */
export const namedPath = (given: string | Uint8Array): string => {
  const path = typeof given === 'string' ? given : bytesToText(given)
  const [, descriptor, below = ''] = DESCRIPTOR.exec(path) ?? []
  if (descriptor === undefined) return path
  try {
    const directory = fs.readlinkSync(descriptor, { encoding: 'buffer' })
    return bytesToText(directory) + (below === '/.' ? '' : below)
  } catch {
    // It is closed: no better name is known.
    return path
  }
}

/** Runs a call; its error names the path that a descriptor stands for. */
const calling = (call: Call, args: unknown[]): unknown => {
  try {
    return call(...args)
  } catch (error) {
    const failed = error as NodeJS.ErrnoException
    if (typeof failed.path === 'string') failed.path = namedPath(failed.path)
    throw error
  }
}

/** The function with its first `count` arguments as paths. */
const byPath = <F extends Call>(call: F, count = 1): F =>
  ((...args: unknown[]): unknown => {
    for (let i = 0; i < count; i++) args[i] = onDisk(args[i])
    return calling(call, args)
  }) as F

/** The same, whose result is a path: text unless a Buffer or bytes are asked for. */
const toPath = <F extends Call>(call: F, raw: Call = call): F =>
  ((path: unknown, ...rest: unknown[]): unknown => {
    const at = onDisk(path)
    const result: unknown = calling(call, [at, ...rest])
    const isText = rest.length === 0 && typeof result === 'string'
    const isLossy = at !== path || (isText && mayHaveLost(result))
    return isText && isLossy
      ? bytesToText(raw(at, { encoding: 'buffer' }) as Buffer)
      : result
  }) as F

export const accessSync = byPath(fs.accessSync)
export const appendFileSync = byPath(fs.appendFileSync)
export const chmodSync = byPath(fs.chmodSync)
export const chownSync = byPath(fs.chownSync)
export const copyFileSync = byPath(fs.copyFileSync, 2)
export const existsSync = byPath(fs.existsSync)
export const lchownSync = byPath(fs.lchownSync)
export const linkSync = byPath(fs.linkSync, 2)
export const lstatSync = byPath(fs.lstatSync)
export const lutimesSync = byPath(fs.lutimesSync)
export const mkdirSync = byPath(fs.mkdirSync)
export const openSync = byPath(fs.openSync)
export const readFileSync = byPath(fs.readFileSync)
export const renameSync = byPath(fs.renameSync, 2)
export const rmSync = byPath(fs.rmSync)
export const rmdirSync = byPath(fs.rmdirSync)
export const statSync = byPath(fs.statSync)
export const statfsSync = byPath(fs.statfsSync)
export const symlinkSync = byPath(fs.symlinkSync, 2)
export const truncateSync = byPath(fs.truncateSync)
export const unlinkSync = byPath(fs.unlinkSync)
export const utimesSync = byPath(fs.utimesSync)
export const watch = byPath(fs.watch)
export const writeFileSync = byPath(fs.writeFileSync)

export const readlinkSync = toPath(fs.readlinkSync)
/** realpath(3): Node's own way takes text alone. */
export const realpathSync: typeof fs.realpathSync.native = toPath(
  fs.realpathSync.native,
)
/** The directory that was made. */
export const mkdtempSync = byPath(fs.mkdtempSync)

interface ListOptions {
  readonly encoding?: string
  readonly recursive?: boolean
}

/** Names in a directory; those of `recursive` are Node's own. */
export const readdirSync: typeof fs.readdirSync = ((
  path: unknown,
  options: string | ListOptions | null = {},
): unknown => {
  const list: Call = fs.readdirSync
  const at = onDisk(path)
  const found = calling(list, [at, options]) as (fs.Dirent | string)[]
  const { encoding = 'utf8', recursive = false } =
    typeof options === 'string' ? { encoding: options } : (options ?? {})
  const isLossy = (entry: fs.Dirent | string): boolean =>
    mayHaveLost(typeof entry === 'string' ? entry : entry.name)
  if (encoding !== 'utf8' || recursive || !found.some(isLossy)) return found
  const raw = list(at, {
    ...(options as ListOptions),
    encoding: 'buffer',
  }) as (fs.Dirent<Buffer> | Buffer)[]
  return raw.map(entry =>
    entry instanceof Uint8Array
      ? bytesToText(entry)
      : Object.assign(entry, { name: bytesToText(entry.name) }),
  )
}) as typeof fs.readdirSync
