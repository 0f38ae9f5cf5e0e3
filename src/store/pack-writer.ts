/**
 * Writes one pack: frames appended to a file that nobody sees until it is done.
 *
 * Objects stand in the order they are added, which is the order of the walk,
 * so that a cold walk reads the pack forward.
 * Format: docs/formats/pack.md
 */

import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Digest } from '../objects/digest.ts'
import {
  syncDirectory,
  temporaryName,
  writeFully,
} from '../system/durable-file.ts'
import type { CompressPool } from './compress-pool.ts'
import {
  checksum,
  FRAME_TARGET_BYTES,
  tableBytes,
  writeTableEntry,
} from './frame.ts'
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

interface Pending {
  readonly digest: Digest
  readonly offsetBytes: number
  readonly lengthBytes: number
}

export class PackWriter {
  readonly #paths: RepositoryPaths
  readonly #kind: PackKind
  readonly #pool: CompressPool
  readonly #temporary: string
  readonly #fd: number
  readonly #objects: PackedObject[] = []
  #pending: Pending[] = []
  #plain: Buffer
  #plainEnd = 0
  #offset: number
  #frames = 0
  #checksum: number
  #isClosed = false

  constructor(paths: RepositoryPaths, kind: PackKind, pool: CompressPool) {
    this.#paths = paths
    this.#kind = kind
    this.#pool = pool
    this.#temporary = join(paths.temporary, temporaryName(`${kind}-pack`))
    this.#fd = openSync(this.#temporary, 'wx', 0o644)
    this.#plain = Buffer.allocUnsafeSlow(FRAME_TARGET_BYTES)
    const header = encodePackHeader(kind)
    writeFully(this.#fd, header)
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
    writeFully(this.#fd, footer)
    fsyncSync(this.#fd)
    closeSync(this.#fd)
    this.#isClosed = true
    renameSync(this.#temporary, join(this.#paths.packs, `${name}.pack`))
    syncDirectory(this.#paths.packs)
    return {
      name,
      objects: this.#objects,
      lengthBytes: this.#offset + footer.length,
    }
  }

  /** Drops what was written. May be called at any time, also twice. */
  abandon(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#fd)
    rmSync(this.#temporary, { force: true })
  }

  #closeFrame(): void {
    const pending = this.#pending
    const table = Buffer.allocUnsafeSlow(tableBytes(pending.length))
    pending.forEach(({ digest, lengthBytes }, index) =>
      writeTableEntry(table, index, digest, lengthBytes),
    )
    const plain = this.#plain.subarray(0, this.#plainEnd)
    this.#pool.submit({ table, plain }, frame => {
      if (this.#isClosed) return
      const frameOffset = this.#offset
      writeFully(this.#fd, frame)
      this.#checksum = checksum(frame, this.#checksum)
      this.#offset += frame.length
      this.#frames++
      for (const object of pending)
        this.#objects.push({ ...object, frameOffset, frameBytes: frame.length })
    })
    this.#pending = []
    this.#plain = Buffer.allocUnsafeSlow(FRAME_TARGET_BYTES)
    this.#plainEnd = 0
  }
}
