/**
 * Reads a pack from its first byte to its last and says what is in it, whole
 * or not. Never trusts a length that it has not checked against the file.
 */

import { closeSync } from '../system/files.ts'
import { DendroError, isDamage, wrapSystemError } from '../errors.ts'
import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import {
  checksum,
  decodeFrameHeader,
  decodeFramePlain,
  decodeFrameTable,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
} from '../store/frame.ts'
import {
  decodePackFooter,
  decodePackHeader,
  encodePackHeader,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
} from '../store/pack-format.ts'
import type { PackKind } from '../store/pack-format.ts'
import { readAt } from '../store/pack-reader.ts'
import { nextData } from '../system/next-data.ts'
import type { HeldPath } from '../system/held-path.ts'
import { openPlain } from '../system/plain-file.ts'
import type { PlainFile } from '../system/plain-file.ts'
import { MIB } from '../units.ts'

const MAGIC = Buffer.alloc(4)
MAGIC.writeUInt32LE(FRAME_MAGIC)
const WINDOW_BYTES = MIB

/** An object of a frame, with where it stands. */
export interface ScannedObject {
  readonly digest: Digest
  readonly frameOffset: number
  readonly frameBytes: number
  readonly offsetBytes: number
  readonly lengthBytes: number
}

export interface ScannedPack {
  readonly name: string
  readonly fileBytes: number
  readonly kind: PackKind
  /** Objects that can be read; in a quick scan, that are said to be there. */
  readonly objects: ScannedObject[]
  /** Objects whose frame or whose bytes are damaged. */
  readonly damaged: ScannedObject[]
  readonly problems: DendroError[]
}

export interface ScanOptions {
  /** Look at headers and tables only: no content is read or hashed. */
  readonly isQuick?: boolean
  /** Each good object with its plain bytes, valid during the call. */
  readonly onObject?: (object: ScannedObject, bytes: Buffer) => void
  readonly onBytes?: (count: number) => void
}

const corrupt = (path: string, why: string): DendroError =>
  new DendroError('CORRUPT_PACK', `damaged pack ${path}: ${why}`, {
    hint: 'dendro fsck --repair saves what is whole',
  })

/** Scans the pack at `place`. Errors: system errors; damage is a result. */
export const scanPack = (
  place: HeldPath,
  name: string,
  options: ScanOptions = {},
): ScannedPack => {
  let file: PlainFile
  try {
    file = openPlain(place)
  } catch (error) {
    if (isDamage(error)) return unreadable(name, error)
    throw wrapSystemError(`cannot open pack ${String(place)}`, error)
  }
  try {
    return new PackScan(file, place.path, name, options).run()
  } finally {
    closeSync(file.fd)
  }
}

/** What stands in the place of a pack and is no file. */
const unreadable = (name: string, problem: DendroError): ScannedPack => ({
  name,
  fileBytes: 0,
  kind: 'data',
  objects: [],
  damaged: [],
  problems: [problem],
})

class PackScan {
  readonly #fd: number
  readonly #path: string
  readonly #options: ScanOptions
  readonly #result: ScannedPack & { kind: PackKind }
  #crc = 0

  constructor(
    { fd, sizeBytes }: PlainFile,
    path: string,
    name: string,
    options: ScanOptions,
  ) {
    this.#fd = fd
    this.#path = path
    this.#options = options
    this.#result = {
      name,
      fileBytes: sizeBytes,
      kind: 'data',
      objects: [],
      damaged: [],
      problems: [],
    }
  }

  run(): ScannedPack {
    const { fileBytes } = this.#result
    const header = readAt(this.#fd, 0, PACK_HEADER_BYTES)
    this.#noting(() => {
      const kind = decodePackHeader(header, this.#path)
      this.#result.kind = kind
      if (!header.equals(encodePackHeader(kind)))
        throw corrupt(this.#path, 'bad header')
    })
    this.#crc = checksum(header)
    const footer = this.#footer()
    const end = footer?.dataEnd ?? fileBytes
    let at = PACK_HEADER_BYTES
    let frames = 0
    while (at < end) {
      const next = this.#frame(at, end)
      if (next !== undefined) frames++
      const following = next ?? this.#findFrame(at + 1, end)
      if (following === undefined) break
      at = following
    }
    if (footer === undefined) return this.#result
    const objects = this.#result.objects.length + this.#result.damaged.length
    if (at !== end)
      this.#note(corrupt(this.#path, `what stands at byte ${at} is no frame`))
    else if (footer.frames !== frames || footer.objects !== objects)
      this.#note(
        corrupt(this.#path, 'the footer counts other frames or objects'),
      )
    else if (this.#options.isQuick !== true && footer.checksum !== this.#crc)
      this.#note(corrupt(this.#path, 'the checksum of the file does not match'))
    return this.#result
  }

  #footer() {
    const { fileBytes, kind } = this.#result
    const at = fileBytes - PACK_FOOTER_BYTES
    if (at < PACK_HEADER_BYTES) {
      this.#note(corrupt(this.#path, 'it is cut short'))
      return undefined
    }
    const bytes = readAt(this.#fd, at, PACK_FOOTER_BYTES)
    return this.#noting(() => {
      const footer = decodePackFooter(bytes, this.#path)
      if (
        footer.dataEnd !== at ||
        footer.kind !== kind ||
        bytes.readUInt32LE(8) !== (kind === 'data' ? 1 : 2) ||
        bytes.subarray(32).some(byte => byte !== 0)
      )
        throw corrupt(this.#path, 'the footer does not fit the file')
      return footer
    })
  }

  /** Reads the frame at `at`; where the next one begins, undefined when unknown. */
  #frame(at: number, end: number): number | undefined {
    const where = `pack ${this.#result.name} at byte ${at}`
    const isQuick = this.#options.isQuick === true
    const head = readAt(this.#fd, at, FRAME_HEADER_BYTES)
    const header = this.#noting(() => decodeFrameHeader(head, 0, where))
    if (header === undefined) return undefined
    const { frameBytes } = header
    if (at + frameBytes > end) {
      this.#note(corrupt(this.#path, `the frame at byte ${at} is cut short`))
      return undefined
    }
    const wanted = isQuick ? frameBytes - header.storedBytes : frameBytes
    const frame = readAt(this.#fd, at, wanted)
    this.#options.onBytes?.(wanted)
    if (!isQuick) this.#crc = checksum(frame, this.#crc)
    const table = this.#noting(() =>
      decodeFrameTable(frame, FRAME_HEADER_BYTES, header, where),
    )
    if (table === undefined) return at + frameBytes
    const objects = table.map(object => ({
      ...object,
      frameOffset: at,
      frameBytes,
    }))
    if (isQuick) for (const object of objects) this.#result.objects.push(object)
    else this.#content(frame, objects, where)
    return at + frameBytes
  }

  /** The next whole frame at or behind `from`: damage costs one frame only. */
  #findFrame(from: number, end: number): number | undefined {
    if (this.#options.isQuick === true) return undefined
    for (let base = from; base < end; base += WINDOW_BYTES) {
      // No frame begins in a hole, and what is sparse may be without end.
      base = nextData(this.#fd, base)
      if (base >= end) return undefined
      const length = Math.min(WINDOW_BYTES + MAGIC.length, end - base)
      const window = readAt(this.#fd, base, length)
      for (
        let found = window.indexOf(MAGIC);
        found >= 0 && found < WINDOW_BYTES;
        found = window.indexOf(MAGIC, found + 1)
      )
        if (this.#isFrame(base + found, end)) return base + found
    }
    return undefined
  }

  #isFrame(at: number, end: number): boolean {
    try {
      const head = readAt(this.#fd, at, FRAME_HEADER_BYTES)
      const { frameBytes } = decodeFrameHeader(head, 0, '')
      if (at + frameBytes > end) return false
      const frame = readAt(this.#fd, at, frameBytes)
      const sum = checksum(frame.subarray(FRAME_HEADER_BYTES))
      return sum === decodeFrameHeader(frame, 0, '').checksum
    } catch (error) {
      if (!isDamage(error)) throw error
      return false
    }
  }

  #content(frame: Buffer, objects: ScannedObject[], where: string): void {
    const plain = this.#noting(() => decodeFramePlain(frame, where))
    for (const object of objects) {
      const { offsetBytes, lengthBytes, digest } = object
      const bytes = plain?.subarray(offsetBytes, offsetBytes + lengthBytes)
      if (bytes === undefined) this.#result.damaged.push(object)
      else if (digestOf(bytes) === digest) {
        this.#result.objects.push(object)
        this.#options.onObject?.(object, bytes)
      } else {
        this.#result.damaged.push(object)
        this.#note(
          corrupt(
            this.#path,
            `an object at byte ${object.frameOffset} has another digest`,
          ),
        )
      }
    }
  }

  #note(problem: DendroError): void {
    this.#result.problems.push(problem)
  }

  /** Runs `work`; damage is noted and gives undefined. */
  #noting<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#note(error)
      return undefined
    }
  }
}
