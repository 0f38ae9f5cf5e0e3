/**
 * What the last commit of a directory saw, so that the next one reads only
 * what changed.
 *
 * A record is believed when path, device, inode, size, mtime and ctime are the
 * same, on a file system whose ctime is a clock's and that stayed mounted
 * (stat-origin.ts). A directory of which all that is believed, and all below
 * it, is not looked into again: its tree is what it was. A file whose ctime
 * lies within the clock's granularity of the scan is not recorded: it could
 * change again without the clock showing it; nor is one that is mapped for
 * writing. The cache may be lost or damaged at any time; then everything is
 * read again.
 * Format: docs/formats/stat-cache.md
 */

import { crc32 } from '../bytes/crc32.ts'
import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { digestOf, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { decodeFsObject, encodeFsObject } from '../objects/fs-object.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import { writeDurably } from '../system/durable-file.ts'
import type { FileStatus } from '../system/file-status.ts'
import { MappedFiles } from '../system/mapped-files.ts'
import type { RepositoryPaths } from '../store/layout.ts'
import type { HeldPath } from '../system/held-path.ts'
import { readPlain } from '../system/plain-file.ts'
import { GIB, MIB } from '../units.ts'
import type { StatOrigin } from './stat-origin.ts'

const TAG = 'stat-cache-4'
/** The kernel's coarse clock ticks at 100 Hz or faster. */
const TICK_NSEC = 20_000_000
/** A file system that keeps whole seconds may keep even ones only (FAT). */
const COARSE_SEC = 2
/** 2,048 names of 255 bytes. */
const MAX_PATH_BYTES = MIB

/** A cache that is larger is not read; the next commit writes it again. */
export const MAX_CACHE_BYTES = GIB
/** What does not fit is not recorded: it is read again. */
const MAX_RECORDS_BYTES = MAX_CACHE_BYTES - MIB

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
  // No clock shows such a time.
  if (!Number.isSafeInteger(status.ctimeSec)) return true
  const isCoarse = status.ctimeNsec === 0 && status.mtimeNsec === 0
  if (isCoarse) return status.ctimeSec + COARSE_SEC >= scanned.sec
  const age =
    (scanned.sec - status.ctimeSec) * 1e9 + (scanned.nsec - status.ctimeNsec)
  return age < TICK_NSEC
}

/** An entry of a directory that was scanned. */
interface Scanned {
  readonly name: string
  readonly status: FileStatus
  readonly children: unknown
}

const NUMBER_BYTES = 8
// One for all directories: it grows as needed.
let scratch = Buffer.allocUnsafeSlow(1 << 16)

/**
 * Stands for a directory, the names in it, and the status of all of them.
 * Undefined where inodes have several names: what is committed of them depends
 * on what else is in the tree.
 */
const signatureOf = (
  status: FileStatus,
  entries: readonly Scanned[],
): Digest | undefined => {
  let end = 0
  const add = (name: string, of: FileStatus): void => {
    const key = keyOf(of)
    const room = name.length + (key.length + 1) * NUMBER_BYTES
    if (end + room > scratch.length)
      scratch = Buffer.concat([scratch], (end + room) * 2)
    end = scratch.writeDoubleLE(name.length, end)
    end += scratch.write(name, end, 'latin1')
    for (const value of key) end = scratch.writeDoubleLE(value, end)
  }
  add('', status)
  for (const { name, status: its, children } of entries) {
    if (children === undefined && its.nlink > 1) return undefined
    add(name, its)
  }
  return digestOf(scratch.subarray(0, end))
}

/** What a commit made of a directory whose content is all recorded. */
export interface DirectorySummary {
  readonly object: DirectoryObject
  /** Of the entries, directories and what is in them left out. */
  readonly files: number
  readonly others: number
  readonly logicalBytes: number
  readonly xattrNames: readonly string[]
}

const encodeSummary = (
  writer: MsgpackWriter,
  signature: Digest,
  summary: DirectorySummary,
): void => {
  writer.binary(signature)
  encodeFsObject(writer, summary.object)
  writer.uint(summary.files)
  writer.uint(summary.others)
  writer.uint(summary.logicalBytes)
  writer.array(summary.xattrNames.length)
  for (const name of summary.xattrNames) writer.binary(name)
}

const decodeSummary = (reader: MsgpackReader): DirectorySummary | undefined => {
  const object = decodeFsObject(reader)
  if (object.kind !== 'directory') return undefined
  const files = reader.uint()
  const others = reader.uint()
  const logicalBytes = reader.uint()
  const count = reader.array(MAX_XATTR_NAMES)
  const xattrNames = Array.from({ length: count }, () =>
    reader.binary(MAX_PATH_BYTES),
  )
  return { object, files, others, logicalBytes, xattrNames }
}

const MAX_XATTR_NAMES = 65536

interface StoredDirectory {
  readonly summary: Buffer
  readonly records: Buffer
}

const NOTHING: StoredDirectory = {
  summary: Buffer.alloc(0),
  records: Buffer.alloc(0),
}

/** The records of the last commit, decoded one directory at a time. */
export class StatCache {
  readonly #directories = new Map<string, StoredDirectory>()
  #commit: Digest | undefined
  #conditions = ''

  /**
   * The cache of `source` (raw absolute path) that was written of the same
   * `origin` (stat-origin.ts); empty when there is none.
   */
  static load(
    cacheDirectory: HeldPath,
    source: string,
    origin: StatOrigin | undefined,
  ): StatCache {
    const cache = new StatCache()
    if (origin === undefined) return cache
    try {
      const file = readPlain(cachePath(cacheDirectory, source), MAX_CACHE_BYTES)
      const bytes = file.subarray(0, -SUM_BYTES)
      if (!isWhole(file)) return cache
      const reader = new MsgpackReader(bytes, 'stat cache')
      if (reader.text(32) !== TAG) return cache
      if (reader.text(MAX_ORIGIN) !== origin.id) return cache
      cache.#commit = reader.binary(MAX_PATH_BYTES) as Digest
      cache.#conditions = reader.text(MAX_CONDITIONS)
      while (!reader.isAtEnd())
        cache.#directories.set(reader.binary(MAX_PATH_BYTES), {
          summary: reader.bytes(GIB),
          records: reader.bytes(GIB),
        })
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

  /**
   * The commit that the cache was written for, if it was made under the same
   * conditions. While it is there, so is all that the cache tells of.
   */
  commitUnder(conditions: string): Digest | undefined {
    return this.#conditions === conditions ? this.#commit : undefined
  }

  /** What was recorded of the directory at `path`. */
  directory(path: string): CachedDirectory {
    return new CachedDirectory(this.#directories.get(path) ?? NOTHING)
  }
}

/** The records of one directory. */
export class CachedDirectory {
  readonly stored: StoredDirectory
  #records: ReadonlyMap<string, CacheRecord> | undefined

  constructor(stored: StoredDirectory) {
    this.stored = stored
  }

  /** What was committed, if the directory and its entries are as they were. */
  summary(
    status: FileStatus,
    entries: readonly Scanned[],
  ): DirectorySummary | undefined {
    if (this.stored.summary.length === 0) return undefined
    try {
      const reader = new MsgpackReader(this.stored.summary, 'stat cache')
      const signature = reader.binary(MAX_PATH_BYTES)
      return signature === signatureOf(status, entries)
        ? decodeSummary(reader)
        : undefined
    } catch {
      // Damaged: the records tell.
      return undefined
    }
  }

  /** The object of `name`, if its status is what it was. */
  find(name: string, status: FileStatus): FsObject | undefined {
    this.#records ??= decodeRecords(this.stored.records)
    const record = this.#records.get(name)
    if (record === undefined) return undefined
    const key = keyOf(status)
    return record.status.every((value, i) => value === key[i])
      ? record.object
      : undefined
  }
}

/** Counterpart of `keyOf`, element by element: `Array.from` takes thrice as long. */
const decodeKey = (reader: MsgpackReader): FileStatusKey => [
  reader.int(),
  reader.int(),
  reader.int(),
  reader.int(),
  reader.int(),
  reader.int(),
  reader.int(),
  reader.int(),
]

const decodeRecords = (bytes: Buffer): Map<string, CacheRecord> => {
  const records = new Map<string, CacheRecord>()
  try {
    const reader = new MsgpackReader(bytes, 'stat cache')
    while (!reader.isAtEnd()) {
      const name = reader.binary(MAX_PATH_BYTES)
      const status = decodeKey(reader)
      records.set(name, { status, object: decodeFsObject(reader) })
    }
  } catch {
    // Damaged: what was read so far is as good as the rest.
    records.clear()
  }
  return records
}

const MAX_CONDITIONS = 256
const MAX_ORIGIN = 1024

/** Collects the records of a scan and writes them in one go. */
export class StatCacheWriter {
  readonly #scanned: ClockTime
  readonly #origin: StatOrigin | undefined
  #mapped: MappedFiles | undefined
  readonly #all = new MsgpackWriter(1 << 20)
  readonly #summary = new MsgpackWriter()
  readonly #records = new MsgpackWriter()

  /** Without an `origin` nothing is recorded. */
  constructor(scanned: ClockTime, origin: StatOrigin | undefined) {
    this.#scanned = scanned
    this.#origin = origin
  }

  /** Files will be read: those mapped for writing before are not recorded. */
  beginReading(): void {
    if (this.#origin !== undefined) this.#mapped ??= MappedFiles.read()
  }

  /**
   * Records the directory at `path` with what was committed of its entries;
   * `summary` is undefined when some of them were not.
   */
  addDirectory(
    path: string,
    status: FileStatus,
    entries: readonly (Scanned & { object: FsObject })[],
    summary: DirectorySummary | undefined,
  ): void {
    if (this.#origin === undefined) return
    this.#records.reset()
    this.#summary.reset()
    const isCounted = Number.isSafeInteger(summary?.logicalBytes ?? 0)
    let isSteady = isCounted && !isRacy(status, this.#scanned)
    for (const { name, status: its, object } of entries) {
      // What is mounted on a file has another device.
      const isForeign = its.dev !== status.dev && object.kind !== 'directory'
      if (isForeign || this.#mayChange(its)) {
        isSteady = false
        continue
      }
      this.#records.binary(name)
      for (const value of keyOf(its)) this.#records.int(value)
      encodeFsObject(this.#records, object)
    }
    const signature =
      isSteady && summary !== undefined
        ? signatureOf(status, entries)
        : undefined
    if (signature !== undefined && summary !== undefined)
      encodeSummary(this.#summary, signature, summary)
    this.#put(path, this.#summary.view(0), this.#records.view(0))
  }

  /** Whether its content can change with the status staying as it is. */
  #mayChange(status: FileStatus): boolean {
    const isMapped = this.#mapped?.has(this.#origin?.device ?? '', status)
    return isRacy(status, this.#scanned) || isMapped === true
  }

  /** Records a directory as it was before. */
  keepDirectory(path: string, { stored }: CachedDirectory): void {
    this.#put(path, stored.summary, stored.records)
  }

  #put(path: string, summary: Buffer, records: Buffer): void {
    if (summary.length === 0 && records.length === 0) return
    const bytes = summary.length + records.length
    if (this.#all.lengthBytes + bytes > MAX_RECORDS_BYTES) return
    this.#all.binary(path)
    this.#all.bytes(summary)
    this.#all.bytes(records)
  }

  /** Writes all for a commit that was made under `conditions`. */
  save(
    paths: Pick<RepositoryPaths, 'cache' | 'temporary'>,
    source: string,
    commit: Digest,
    conditions: string,
  ): void {
    if (this.#origin === undefined) return
    const head = new MsgpackWriter()
    head.text(TAG)
    head.text(this.#origin.id)
    head.binary(commit)
    head.text(conditions)
    const body = Buffer.concat([head.view(0), this.#all.view(0)])
    const sum = Buffer.alloc(SUM_BYTES)
    sum.writeUInt32LE(crc32(body))
    writeDurably(cachePath(paths.cache, source), Buffer.concat([body, sum]), {
      temporaryDirectory: paths.temporary,
    })
  }
}

const cachePath = (cacheDirectory: HeldPath, source: string): HeldPath => {
  const name = digestToHex(digestOf(Buffer.from(source, 'latin1'))).slice(0, 32)
  return cacheDirectory.child(`stat-${name}`)
}
