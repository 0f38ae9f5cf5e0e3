/** Records of READDIR and READDIRPLUS. Pure. */

import type {
  Attributes,
  DirectorySink,
  Entry,
  Listed,
  RecordBlock,
  RecordIdentities,
} from './handler.ts'
import { DIRENT_BYTES, ENTRY_OUT_BYTES } from './layout.ts'
import { nodesInEntry, writeEntryOut, writeU64 } from './reply.ts'

/** In struct fuse_dirent. */
const OFF = 8
const NAMELEN = 16
const TYPE = 20

/** Records begin at multiples of 8. */
const padded = (lengthBytes: number): number => (lengthBytes + 7) & ~7

/** Length of a READDIRPLUS record with a name of so many bytes. */
export const direntPlusBytes = (nameBytes: number): number =>
  padded(ENTRY_OUT_BYTES + DIRENT_BYTES + nameBytes)

/** struct fuse_dirent, but for the name and its length. */
const writeDirentHead = (
  out: Buffer,
  at: number,
  cookie: number,
  { inoHigh, inoLow, mode }: Listed,
): void => {
  out.writeUInt32LE(inoLow, at)
  out.writeUInt32LE(inoHigh, at + 4)
  writeU64(out, at + OFF, cookie)
  out.writeUInt32LE(mode >>> 12, at + TYPE)
}

/** The name of the fuse_dirent at `at`, and padding; returns where it ends. */
const writeName = (out: Buffer, at: number, name: string): number => {
  out.writeUInt32LE(name.length, at + NAMELEN)
  const end = at + DIRENT_BYTES + name.length
  out.write(name, at + DIRENT_BYTES, name.length, 'latin1')
  const next = padded(end)
  for (let i = end; i < next; i++) out[i] = 0
  return next
}

/** Writes fuse_direntplus records one behind the other, into memory that grows. */
export class RecordWriter {
  #bytes: Buffer
  #at = 0

  /** Memory for about so many bytes. */
  constructor(sizeBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(sizeBytes)
  }

  /** Begins anew. */
  reset(): void {
    this.#at = 0
  }

  get lengthBytes(): number {
    return this.#at
  }

  /** Adds an entry, without node id and generation; returns where its record ends. */
  add(name: string, cookie: number, attributes: Attributes): number {
    this.#reserve(direntPlusBytes(name.length))
    const out = this.#bytes
    writeEntryOut(out, this.#at, { nodeId: 0, generation: 0, attributes })
    const head = this.#at + ENTRY_OUT_BYTES
    writeDirentHead(out, head, cookie, attributes)
    this.#at = writeName(out, head, name)
    return this.#at
  }

  /** Copies all records to the beginning of `out`. */
  copyTo(out: Buffer): void {
    this.#bytes.copy(out, 0, 0, this.#at)
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const longer = Buffer.allocUnsafeSlow((this.#at + length) * 2)
    this.#bytes.copy(longer, 0, 0, this.#at)
    this.#bytes = longer
  }
}

/** A page of READDIR or READDIRPLUS records. */
export class DirectoryPage implements DirectorySink {
  readonly #out: Buffer
  readonly #begin: number
  #limit = 0
  #at = 0
  #plus = true

  /** Records are written to `out` from `begin`. */
  constructor(out: Buffer, begin: number) {
    this.#out = out
    this.#begin = begin
  }

  /** Starts a page of at most `sizeBytes`. */
  reset(sizeBytes: number, plus: boolean): void {
    this.#at = this.#begin
    this.#limit = Math.min(this.#begin + sizeBytes, this.#out.length)
    this.#plus = plus
  }

  get lengthBytes(): number {
    return this.#at - this.#begin
  }

  add(
    name: string,
    cookie: number,
    listed: Listed,
    resolve?: () => Entry,
  ): boolean {
    const out = this.#out
    const head = this.#plus ? ENTRY_OUT_BYTES : 0
    const length = padded(head + DIRENT_BYTES + name.length)
    const at = this.#at
    if (at + length > this.#limit) return false
    if (this.#plus) {
      // Node id 0 in front of a record means: no attributes.
      if (resolve === undefined) out.fill(0, at, at + head)
      else writeEntryOut(out, at, resolve())
    }
    writeDirentHead(out, at + head, cookie, listed)
    this.#at = writeName(out, at + head, name)
    return true
  }

  addRecords(
    block: RecordBlock,
    first: number,
    identities: RecordIdentities,
  ): number | undefined {
    if (!this.#plus) return undefined
    const { bytes, ends } = block
    const begin = first === 0 ? 0 : (ends[first - 1] as number)
    const room = this.#limit - this.#at
    let last = first
    while (last < ends.length && (ends[last] as number) - begin <= room) last++
    if (last === first) return 0
    const out = this.#out
    const shift = this.#at - begin
    bytes.copy(out, this.#at, begin, ends[last - 1])
    let at = begin
    for (let i = first; i < last; i++) {
      const nodeId = identities.acquire(i)
      writeU64(out, at + shift, nodeId)
      out.writeUInt32LE(identities.generationOf(nodeId), at + shift + 8)
      at = ends[i] as number
    }
    this.#at = at + shift
    return last - first
  }
}

/** The nodes that records of READDIRPLUS tell the kernel of: a lookup of each. */
export function* nodesInRecords(
  out: Buffer,
  begin: number,
  end: number,
): Generator<number, void, undefined> {
  for (let at = begin; at < end;) {
    yield* nodesInEntry(out, at)
    at += direntPlusBytes(out.readUInt32LE(at + ENTRY_OUT_BYTES + NAMELEN))
  }
}
