/**
 * Writes one pack: frames appended to a file that nobody sees until it is done.
 *
 * Objects stand in the order they are added, which is the order of the walk,
 * so that a cold walk reads the pack forward.
 * Format: docs/formats/pack.md
 */

import { randomBytes } from 'node:crypto'
import { DendroError, wrapSystemError } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import {
  closeFile,
  createFile,
  renameFile,
  syncDirectory,
  syncFile,
} from '../system/disk.ts'
import {
  removeIfThere,
  temporaryName,
  writeFully,
} from '../system/durable-file.ts'
import type { HeldPath } from '../system/held-path.ts'
import type { CompressPool } from './compress-pool.ts'
import { checksum, tableBytes, writeTableEntry } from './frame.ts'
import type { RepositoryPaths } from './layout.ts'
import {
  encodePackFooter,
  encodePackHeader,
  PACK_HEADER_BYTES,
} from './pack-format.ts'
import type { PackKind } from './pack-format.ts'

/** Where an object of a finished pack stands. */
export interface PackedObject {
  readonly digest: Digest
  readonly frameOffset: number
  readonly frameBytes: number
  readonly offsetBytes: number
  readonly lengthBytes: number
}

export interface FinishedPack {
  /** 32 hex digits; the file is `packs/<name>.pack`. */
  readonly name: string
  readonly objects: readonly PackedObject[]
  readonly lengthBytes: number
}

/** Without its errno: who reads a source must not take it for the source's. */
const writeError = (what: string, error: unknown): DendroError => {
  const { code, message, hint } = wrapSystemError(what, error)
  const told = hint === undefined ? {} : { hint }
  return new DendroError(code, message, { cause: error, ...told })
}

interface Pending {
  readonly digest: Digest
  readonly offsetBytes: number
  readonly lengthBytes: number
}

export class PackWriter {
  readonly #paths: RepositoryPaths
  readonly #kind: PackKind
  readonly #pool: CompressPool
  readonly #temporary: HeldPath
  /** Undefined when nothing is to be written. */
  readonly #fd: number | undefined
  readonly #objects: PackedObject[] = []
  #pending: Pending[] = []
  #plain: Buffer
  #plainEnd = 0
  #offset: number
  #frames = 0
  #checksum: number
  #isClosed = false

  /** With `isDry` everything but the writing is done: it tells the size. */
  constructor(
    paths: RepositoryPaths,
    kind: PackKind,
    pool: CompressPool,
    isDry = false,
  ) {
    this.#paths = paths
    this.#kind = kind
    this.#pool = pool
    this.#temporary = paths.temporary.child(temporaryName(`${kind}-pack`))
    try {
      this.#fd = isDry ? undefined : createFile(this.#temporary)
    } catch (error) {
      throw writeError(`cannot make ${String(this.#temporary)}`, error)
    }
    this.#plain = pool.takePlain()
    const header = encodePackHeader(kind)
    this.#write(header)
    this.#checksum = checksum(header)
    this.#offset = PACK_HEADER_BYTES
  }

  /** Bytes written to the file so far. */
  get lengthBytes(): number {
    return this.#offset
  }

  /** Appends an object; copies `bytes`. Await the pool's `drained` now and then. */
  add(digest: Digest, bytes: Uint8Array): void {
    const isFull = this.#plainEnd + bytes.length > this.#plain.length
    if (isFull && this.#plainEnd > 0) this.#closeFrame()
    if (bytes.length > this.#plain.length)
      this.#plain = Buffer.allocUnsafeSlow(bytes.length)
    this.#plain.set(bytes, this.#plainEnd)
    this.#pending.push({
      digest,
      offsetBytes: this.#plainEnd,
      lengthBytes: bytes.length,
    })
    this.#plainEnd += bytes.length
  }

  /** Appends a whole frame as it is, with what stands in it. */
  addFrame(frame: Buffer, objects: readonly Pending[]): void {
    if (this.#pending.length > 0) this.#closeFrame()
    this.#pool.pass(frame, this.#receiver(objects))
  }

  /**
   * Makes the pack durable under its name; undefined when it holds nothing.
   * It is found by readers only once an index names it.
   */
  async finish(): Promise<FinishedPack | undefined> {
    if (this.#pending.length > 0) this.#closeFrame()
    await this.#pool.drained(true)
    if (this.#objects.length === 0) {
      this.abandon()
      return undefined
    }
    const name = randomBytes(16).toString('hex')
    const footer = encodePackFooter({
      kind: this.#kind,
      frames: this.#frames,
      objects: this.#objects.length,
      dataEnd: this.#offset,
      checksum: this.#checksum,
    })
    this.#write(footer)
    this.#isClosed = true
    if (this.#fd !== undefined) this.#publish(this.#fd, name)
    return {
      name,
      objects: this.#objects,
      lengthBytes: this.#offset + footer.length,
    }
  }

  #publish(fd: number, name: string): void {
    try {
      syncFile(fd)
    } finally {
      closeFile(fd)
    }
    renameFile(this.#temporary, this.#paths.packs.child(`${name}.pack`))
    syncDirectory(this.#paths.packs)
  }

  #write(bytes: Buffer): void {
    if (this.#fd === undefined) return
    try {
      writeFully(this.#fd, bytes)
    } catch (error) {
      throw writeError(`cannot write ${String(this.#temporary)}`, error)
    }
  }

  /** Drops what was written. May be called at any time, also twice. */
  abandon(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#fd === undefined) return
    closeFile(this.#fd)
    removeIfThere(this.#temporary)
  }

  #closeFrame(): void {
    const pending = this.#pending
    const table = Buffer.allocUnsafeSlow(tableBytes(pending.length))
    pending.forEach(({ digest, lengthBytes }, index) =>
      writeTableEntry(table, index, digest, lengthBytes),
    )
    const plain = this.#plain.subarray(0, this.#plainEnd)
    this.#pool.submit({ table, plain }, this.#receiver(pending))
    this.#pending = []
    this.#plain = this.#pool.takePlain()
    this.#plainEnd = 0
  }

  /** Takes a frame that is done and holds `objects`. */
  #receiver(objects: readonly Pending[]): (frame: Buffer) => void {
    return frame => {
      if (this.#isClosed) return
      const frameOffset = this.#offset
      this.#write(frame)
      this.#checksum = checksum(frame, this.#checksum)
      this.#offset += frame.length
      this.#frames++
      for (const { digest, offsetBytes, lengthBytes } of objects)
        this.#objects.push({
          digest,
          offsetBytes,
          lengthBytes,
          frameOffset,
          frameBytes: frame.length,
        })
    }
  }
}
