/**
 * Has the kernel read names and status of a source ahead of the scan.
 *
 * The scan is one thread that waits for the disk at each directory. Several
 * find(1) beside it wait at several, and need a third of the processor for it
 * that JavaScript does. Where nothing comes from the disk, nothing is started.
 * They look at names and status alone, open directories only and tell nobody
 * what they saw: where somebody moves directories meanwhile, no harm is done.
 */

import { blocksRead } from '../system/blocks-read.ts'
import { descriptorPath } from '../system/files.ts'
import { hasSpareProcessor } from '../system/processors.ts'
import { endGroup, spawn } from '../system/spawn.ts'

/** Directories after which it is looked whether the disk was read. */
const LOOK_DIRECTORIES = 16

/**
 * No inode has 0 links: to know that, find must ask for the status. A mount
 * point at the third level is read until the scan ends.
 */
const SCRIPT = `
find . -xdev -mindepth 3 -maxdepth 3 \\( -type d -print0 \\) -o -links 0 |
  xargs -0 -r -n 16 -P 4 sh -c 'find "$@" -xdev -links 0' sh
`

export class ScanScout {
  readonly #source: number
  readonly #blocks: () => number
  readonly #blocksAtFirst: number
  #directories = 0
  #pid: number | undefined

  /** `source` is an open directory; `blocks` as in SourcePrefetch. */
  constructor(source: number, blocks = blocksRead) {
    this.#source = source
    this.#blocks = blocks
    this.#blocksAtFirst = blocks()
  }

  /** The leader of the processes it started. */
  get pid(): number | undefined {
    return this.#pid
  }

  /** The scan came to the next directory. */
  advance(): void {
    this.#directories++
    if (
      this.#directories === LOOK_DIRECTORIES &&
      this.#blocks() > this.#blocksAtFirst &&
      hasSpareProcessor()
    )
      this.#start()
  }

  /** The scan is done. */
  stop(): void {
    if (this.#pid !== undefined) endGroup(this.#pid)
  }

  #start(): void {
    const child = spawn('sh', ['-c', SCRIPT], {
      cwd: descriptorPath(this.#source),
      detached: true,
      stdio: 'ignore',
    })
    // It only helps: a scan goes on without it.
    child.on('error', () => undefined)
    child.unref()
    this.#pid = child.pid
  }
}
