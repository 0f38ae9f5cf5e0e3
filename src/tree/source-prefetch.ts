/**
 * Has the kernel read the files of a source before the import comes to them.
 *
 * The files of a system are small and lie all over the disk; read one by one,
 * each waits for the disk. A thread opens those that come next and tells the
 * kernel that they will be needed (posix_fadvise), which does not wait. Where
 * nothing comes from the disk, nothing is done.
 */

import { Worker } from 'node:worker_threads'
import { S_IFMT, S_IFREG } from '../objects/mode.ts'
import { blocksRead } from '../system/blocks-read.ts'
import { tryShim } from '../system/native.ts'
import { siblingModule } from '../system/sibling-module.ts'
import { MIB } from '../units.ts'
import { joinRaw } from './raw-path.ts'
import type { ScannedNode } from './scan.ts'

/** Told to the kernel at once, and how far ahead that begins. */
const BATCH_FILES = 256
const BATCH_BYTES = 16 * MIB
/** Files after which it is looked again whether the disk was read. */
const LOOK_FILES = 64

export interface PrefetchRequest {
  /** The open directory that the paths begin at. */
  readonly root: number
  /** Raw relative paths as latin1 text, with NUL between them. */
  readonly paths: string
}

export class SourcePrefetch {
  readonly #source: number
  readonly #files: Iterator<[path: string, sizeBytes: number]>
  #worker: Worker | undefined
  /** Files that were told of or passed over, and that the import came to. */
  #told = 0
  #read = 0
  #nextLook = LOOK_FILES
  readonly #blocks: () => number
  #blocksRead: number

  /**
   * `source` is the open directory that `root` was scanned from, and stays open
   * until `close`; `blocks` tells how much this process had read from disks.
   */
  constructor(source: number, root: ScannedNode, blocks = blocksRead) {
    this.#source = source
    this.#blocks = blocks
    this.#blocksRead = blocks()
    this.#files = regularFiles(root)
  }

  /** The import came to the next regular file of the scan, in its order. */
  advance(): void {
    this.#read++
    if (this.#read < this.#nextLook) return
    const blocks = this.#blocks()
    const isCold = blocks > this.#blocksRead
    this.#blocksRead = blocks
    this.#nextLook = this.#read + LOOK_FILES
    if (isCold && this.#told - this.#read < BATCH_FILES) this.#tellNext()
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #tellNext(): void {
    for (; this.#told < this.#read; this.#told++) this.#files.next()
    const paths: string[] = []
    for (let bytes = 0; bytes < BATCH_BYTES && paths.length < BATCH_FILES;) {
      const next = this.#files.next()
      if (next.done === true) break
      const [path, sizeBytes] = next.value
      bytes += sizeBytes
      this.#told++
      paths.push(path)
    }
    if (paths.length === 0 || tryShim() === undefined) return
    this.#worker ??= startWorker()
    const request: PrefetchRequest = {
      root: this.#source,
      paths: paths.join('\0'),
    }
    this.#worker.postMessage(request)
  }
}

const startWorker = (): Worker => {
  // It closes what the shim opens, which Node knows nothing of.
  const worker = new Worker(siblingModule(import.meta.url, 'prefetch-worker'), {
    trackUnmanagedFds: false,
  })
  // It only helps: an import goes on without it.
  worker.on('error', () => undefined)
  worker.unref()
  return worker
}

function* regularFiles(
  root: ScannedNode,
): Generator<[string, number], void, undefined> {
  const levels = [{ node: root, path: '', next: 0 }]
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const child = level.node.children?.[level.next++]
    if (child === undefined) {
      levels.pop()
      continue
    }
    const path = joinRaw(level.path, child.name)
    if (child.children !== undefined)
      levels.push({ node: child, path, next: 0 })
    else if (isRegular(child)) yield [path, child.status.sizeBytes]
  }
}

export const isRegular = ({ status }: ScannedNode): boolean =>
  (status.mode & S_IFMT) === S_IFREG
