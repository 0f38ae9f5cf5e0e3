/** Status with nanoseconds and 64-bit inode numbers, without a BigInt per field. */

import { fstatSync, lstatSync } from './files.ts'
import type { BigIntStats } from './files.ts'
import { check, tryShim } from './native.ts'

export interface FileStatus {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly sizeBytes: number
  /** Allocated, in units of 512 bytes. */
  readonly blocks: number
  readonly mtimeSec: number
  readonly mtimeNsec: number
  readonly ctimeSec: number
  readonly ctimeNsec: number
  readonly dev: number
  /** The inode number's high and low 32 bits. */
  readonly inoHigh: number
  readonly inoLow: number
  readonly nlink: number
  readonly rdevMajor: number
  readonly rdevMinor: number
}

const fields = new Float64Array(16)

/** The current directory: fcntl.h. */
const AT_FDCWD = -100
const ITSELF = Buffer.alloc(0)

/** lstat(2). Throws a system error with `code` as Node's own functions do. */
export const lstatBytes = (path: Buffer): FileStatus =>
  statAt(AT_FDCWD, path) ?? fromStats(lstatSync(path, { bigint: true }))

/** fstat(2), also of a descriptor that only names a file (O_PATH). */
export const statusOf = (fd: number): FileStatus =>
  statAt(fd, ITSELF) ?? fromStats(fstatSync(fd, { bigint: true }))

/**
 * fstatat(2) of `name` in the directory `fd`, following no link; undefined
 * without the shim.
 */
export const statAt = (fd: number, name: Buffer): FileStatus | undefined => {
  const native = tryShim()
  if (native === undefined) return undefined
  const result = native.statAt(fd, name, fields)
  if (result < 0) check(result, `cannot stat ${name.toString()}`)
  const f = fields as unknown as number[]
  return {
    mode: f[0]!,
    uid: f[1]!,
    gid: f[2]!,
    sizeBytes: f[3]!,
    blocks: f[4]!,
    mtimeSec: f[5]!,
    mtimeNsec: f[6]!,
    ctimeSec: f[7]!,
    ctimeNsec: f[8]!,
    dev: f[9]!,
    inoHigh: f[10]!,
    inoLow: f[11]!,
    nlink: f[12]!,
    rdevMajor: f[13]!,
    rdevMinor: f[14]!,
  }
}

const BILLION = 1_000_000_000n

const fromStats = (s: BigIntStats): FileStatus => {
  const floor = (ns: bigint) =>
    ns >= 0n ? ns / BILLION : -((-ns + BILLION - 1n) / BILLION)
  const mtimeSec = floor(s.mtimeNs)
  const ctimeSec = floor(s.ctimeNs)
  // glibc's gnu_dev_major and gnu_dev_minor.
  const rdevMajor = ((s.rdev >> 8n) & 0xfffn) | ((s.rdev >> 32n) & ~0xfffn)
  const rdevMinor = (s.rdev & 0xffn) | ((s.rdev >> 12n) & ~0xffn & 0xffffffffn)
  return {
    mode: Number(s.mode),
    uid: Number(s.uid),
    gid: Number(s.gid),
    sizeBytes: Number(s.size),
    blocks: Number(s.blocks),
    mtimeSec: Number(mtimeSec),
    mtimeNsec: Number(s.mtimeNs - mtimeSec * BILLION),
    ctimeSec: Number(ctimeSec),
    ctimeNsec: Number(s.ctimeNs - ctimeSec * BILLION),
    dev: Number(s.dev),
    inoHigh: Number(BigInt.asUintN(64, s.ino) >> 32n),
    inoLow: Number(s.ino & 0xffffffffn),
    nlink: Number(s.nlink),
    rdevMajor: Number(rdevMajor),
    rdevMinor: Number(rdevMinor),
  }
}
