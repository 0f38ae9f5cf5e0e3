/**
 * One open index file. Blocks are read when needed and kept up to a budget, so
 * a busy reader finds everything in memory and an idle one holds nothing.
 */

import { closeSync } from '../system/files.ts'
import { basename } from 'node:path'
import { DendroError, wrapSystemError } from '../errors.ts'
import { digestAt } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { FilePlace } from '../system/held-path.ts'
import { openPlain } from '../system/plain-file.ts'
import type { PlainFile } from '../system/plain-file.ts'
import { KIB, MIB } from '../units.ts'
import { checksum } from './frame.ts'
import {
  bucketOf,
  decodeIndexHeader,
  decodeIndexPlace,
  decodePackNames,
  INDEX_ENTRY_BYTES,
  INDEX_HEADER_BYTES,
  MAX_BUCKET_ENTRIES,
} from './index-format.ts'
import type { IndexEntry, IndexHeader } from './index-format.ts'
import { readAt } from './pack-reader.ts'
import type { Place } from './place.ts'

const BLOCK_BYTES = 64 * KIB
const MAX_BLOCKS = (32 * MIB) / BLOCK_BYTES
/** Of all entries, so many are read at once. */
const WINDOW_BYTES = INDEX_ENTRY_BYTES * 16 * KIB

export class IndexFile {
  readonly place: FilePlace
  readonly #fd: number
  readonly #header: IndexHeader
  readonly #packNames: readonly string[]
  readonly #blocks = new Map<number, Buffer>()

  private constructor(place: FilePlace, fd: number, header: IndexHeader) {
    this.place = place
    this.#fd = fd
    this.#header = header
    this.#packNames = decodePackNames(
      readAt(fd, header.packsOffset, header.fanoutOffset - header.packsOffset),
      header.packs,
    )
  }

  /** Reads the header alone. Errors: `CORRUPT_INDEX`. */
  static open(place: FilePlace): IndexFile {
    let file: PlainFile
    try {
      file = openPlain(place)
    } catch (error) {
      throw wrapSystemError(`cannot open index ${String(place)}`, error)
    }
    const { fd, sizeBytes } = file
    try {
      const header = decodeIndexHeader(
        readAt(fd, 0, INDEX_HEADER_BYTES),
        sizeBytes,
        String(place),
      )
      return new IndexFile(place, fd, header)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  get name(): string {
    return basename(String(this.place), '.idx')
  }

  get entries(): number {
    return this.#header.entries
  }

  get packNames(): readonly string[] {
    return this.#packNames
  }

  /** The place of an object, or undefined when this index does not name it. */
  find(digest: Digest): Place | undefined {
    const { fanoutBits, fanoutOffset, entriesOffset, entries } = this.#header
    const bucket = bucketOf(digest, fanoutBits)
    const range = this.#read(fanoutOffset + bucket * 4, 8)
    const begin = range.readUInt32LE(0)
    const end = range.readUInt32LE(4)
    if (begin > end || end > entries || end - begin > MAX_BUCKET_ENTRIES)
      throw this.#corrupt('bad fan-out')
    if (begin === end) return undefined
    const bytes = this.#read(
      entriesOffset + begin * INDEX_ENTRY_BYTES,
      (end - begin) * INDEX_ENTRY_BYTES,
    )
    let low = 0
    let high = end - begin - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const found = digestAt(bytes, middle * INDEX_ENTRY_BYTES)
      if (found === digest)
        return this.#place(bytes, middle * INDEX_ENTRY_BYTES)
      if (found < digest) low = middle + 1
      else high = middle - 1
    }
    return undefined
  }

  /** The numbers in the header. */
  get header(): IndexHeader {
    return this.#header
  }

  /**
   * All entries, which must ascend, with the checksum of the file verified. A
   * sparse file, whose entries are all zero, is refused at its second entry.
   */
  readAll(): IndexEntry[] {
    const { entriesOffset, fileBytes, bodyChecksum } = this.#header
    let sum = 0
    for (const window of this.#windows(INDEX_HEADER_BYTES, entriesOffset))
      sum = checksum(window, sum)
    const all: IndexEntry[] = []
    let previous = ''
    for (const window of this.#windows(entriesOffset, fileBytes)) {
      sum = checksum(window, sum)
      for (let at = 0; at < window.length; at += INDEX_ENTRY_BYTES) {
        const digest = digestAt(window, at)
        if (digest <= previous) throw this.#corrupt('its entries do not ascend')
        previous = digest
        all.push({ digest, ...this.#place(window, at) })
      }
    }
    if (sum !== bodyChecksum) throw this.#corrupt('the checksum does not match')
    return all
  }

  /** The bytes of a range, in pieces of whole entries; each until the next. */
  *#windows(begin: number, end: number): Generator<Buffer, void, undefined> {
    const bytes = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, end - begin))
    for (let at = begin; at < end; at += WINDOW_BYTES) {
      const length = Math.min(WINDOW_BYTES, end - at)
      const window = readAt(this.#fd, at, length, bytes)
      if (window.length < length) throw this.#corrupt('it is cut short')
      yield window
    }
  }

  close(): void {
    closeSync(this.#fd)
    this.#blocks.clear()
  }

  #place(bytes: Buffer, offset: number): Place {
    const place = decodeIndexPlace(bytes, offset, this.#packNames)
    if (place === undefined) throw this.#corrupt('unknown pack number')
    return place
  }

  #corrupt(why: string): DendroError {
    return new DendroError(
      'CORRUPT_INDEX',
      `damaged index ${String(this.place)}: ${why}`,
      { hint: 'dendro fsck --repair saves what it can' },
    )
  }

  #read(offset: number, length: number): Buffer {
    const first = Math.floor(offset / BLOCK_BYTES)
    const last = Math.floor((offset + length - 1) / BLOCK_BYTES)
    const within = offset - first * BLOCK_BYTES
    const parts = [this.#block(first).subarray(within)]
    for (let i = first + 1; i <= last; i++) parts.push(this.#block(i))
    const bytes =
      parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    // The file was as long as its header says when it was opened.
    if (bytes.length < length) throw this.#corrupt('it is cut short')
    return bytes.subarray(0, length)
  }

  #block(number: number): Buffer {
    const known = this.#blocks.get(number)
    if (known !== undefined) return known
    if (this.#blocks.size >= MAX_BLOCKS) this.#blocks.clear()
    const bytes = readAt(this.#fd, number * BLOCK_BYTES, BLOCK_BYTES)
    this.#blocks.set(number, bytes)
    return bytes
  }
}
