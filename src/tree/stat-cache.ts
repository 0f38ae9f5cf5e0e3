/**
 * What the last commit of a directory saw, so that the next one reads only
 * what changed.
 *
 * A record is believed when path, device, inode, size, mtime and ctime are the
 * same. A file whose ctime lies within the clock's granularity of the scan is
 * not recorded: it could change again without the clock showing it. The cache
 * may be lost or damaged at any time; then everything is read again.
 * Format: docs/formats/stat-cache.md
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from '../bytes/crc32.ts'
import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { digestOf, digestToHex } from '../objects/digest.ts'
import { decodeFsObject, encodeFsObject } from '../objects/fs-object.ts'
import type { FsObject } from '../objects/fs-object.ts'
import { writeDurably } from '../system/durable-file.ts'
import type { FileStatus } from '../system/file-status.ts'
import type { RepositoryPaths } from '../store/layout.ts'
import { GIB } from '../units.ts'

const TAG = 'stat-cache-2'
/** The kernel's coarse clock ticks at 100 Hz or faster. */
const TICK_NSEC = 20_000_000
/** A file system that keeps whole seconds may keep even ones only (FAT). */
const COARSE_SEC = 2
const MAX_PATH_BYTES = 65536

const SUM_BYTES = 4

/** Whether the bytes of a stat cache match the checksum at their end. */
export const isWhole = (file: Buffer): boolean =>
  file.length >= SUM_BYTES &&
  crc32(file.subarray(0, -SUM_BYTES)) ===
    file.readUInt32LE(file.length - SUM_BYTES)

interface CacheRecord {
  readonly status: FileStatusKey
  readonly object: FsObject
}

type FileStatusKey = readonly number[]

const keyOf = (status: FileStatus): number[] => [
  status.dev,
  status.inoHigh,
  status.inoLow,
  status.sizeBytes,
  status.mtimeSec,
  status.mtimeNsec,
  status.ctimeSec,
  status.ctimeNsec,
]

export interface ClockTime {
  readonly sec: number
  readonly nsec: number
}

/** Whether a change right after the scan could leave the same ctime. */
export const isRacy = (status: FileStatus, scanned: ClockTime): boolean => {
  const isCoarse = status.ctimeNsec === 0 && status.mtimeNsec === 0
  if (isCoarse) return status.ctimeSec + COARSE_SEC >= scanned.sec
  const age =
    (scanned.sec - status.ctimeSec) * 1e9 + (scanned.nsec - status.ctimeNsec)
  return age < TICK_NSEC
}

/** The records of the last commit, decoded one directory at a time. */
export class StatCache {
  readonly #directories = new Map<string, Buffer>()

  /** The cache of `source` (raw absolute path), empty when there is none. */
  static load(cacheDirectory: string, source: string): StatCache {
    const cache = new StatCache()
    try {
      const file = readFileSync(cachePath(cacheDirectory, source))
      const bytes = file.subarray(0, -SUM_BYTES)
      if (!isWhole(file)) return cache
      const reader = new MsgpackReader(bytes, 'stat cache')
      if (reader.text(32) !== TAG) return cache
      while (!reader.isAtEnd())
        cache.#directories.set(reader.binary(MAX_PATH_BYTES), reader.bytes(GIB))
    } catch {
      // Absent, damaged or of another version: everything is read again.
      cache.#directories.clear()
    }
    return cache
  }

  /** Whether nothing is known at all. */
  get isEmpty(): boolean {
    return this.#directories.size === 0
  }

  /** What was recorded of the entries of the directory at `path`. */
  directory(path: string): CachedDirectory {
    const records = new Map<string, CacheRecord>()
    const bytes = this.#directories.get(path)
    if (bytes === undefined) return new CachedDirectory(records)
    try {
      const reader = new MsgpackReader(bytes, 'stat cache')
      while (!reader.isAtEnd()) {
        const name = reader.binary(MAX_PATH_BYTES)
        const status = Array.from({ length: 8 }, () => reader.int())
        records.set(name, { status, object: decodeFsObject(reader) })
      }
    } catch {
      // Damaged: what was read so far is as good as the rest.
      records.clear()
    }
    return new CachedDirectory(records)
  }
}

/** The records of one directory. */
export class CachedDirectory {
  readonly #records: ReadonlyMap<string, CacheRecord>

  constructor(records: ReadonlyMap<string, CacheRecord>) {
    this.#records = records
  }

  /** The object of `name`, if its status is what it was. */
  find(name: string, status: FileStatus): FsObject | undefined {
    const record = this.#records.get(name)
    if (record === undefined) return undefined
    const key = keyOf(status)
    return record.status.every((value, i) => value === key[i])
      ? record.object
      : undefined
  }
}

/** Collects the records of a scan and writes them in one go. */
export class StatCacheWriter {
  readonly #scanned: ClockTime
  readonly #all = new MsgpackWriter(1 << 20)
  readonly #directory = new MsgpackWriter()

  constructor(scanned: ClockTime) {
    this.#scanned = scanned
    this.#all.text(TAG)
  }

  /** Records the entries of the directory at `path`. */
  addDirectory(
    path: string,
    entries: Iterable<{ name: string; status: FileStatus; object: FsObject }>,
  ): void {
    this.#directory.reset()
    for (const { name, status, object } of entries) {
      if (isRacy(status, this.#scanned)) continue
      this.#directory.binary(name)
      for (const value of keyOf(status)) this.#directory.int(value)
      encodeFsObject(this.#directory, object)
    }
    if (this.#directory.lengthBytes === 0) return
    this.#all.binary(path)
    this.#all.bytes(this.#directory.view(0))
  }

  save(paths: RepositoryPaths, source: string): void {
    const body = this.#all.view(0)
    const sum = Buffer.alloc(SUM_BYTES)
    sum.writeUInt32LE(crc32(body))
    writeDurably(cachePath(paths.cache, source), Buffer.concat([body, sum]), {
      temporaryDirectory: paths.temporary,
    })
  }
}

const cachePath = (cacheDirectory: string, source: string): string => {
  const name = digestToHex(digestOf(Buffer.from(source, 'latin1'))).slice(0, 32)
  return join(cacheDirectory, `stat-${name}`)
}
