/**
 * Files that processes have mapped for writing.
 *
 * A store to a mapped page changes the file's times only when the page was
 * clean: the next stores, until it is written back, leave no trace
 * (mm/memory.c: fault_dirty_shared_page; on tmpfs nothing is written back).
 * What such a file holds may change with nothing to show it.
 */

import type { FileStatus } from './file-status.ts'
import { listProcesses, mappingsOf } from './process.ts'

/** Of proc_pid_maps(5): a shared mapping that may be written to. */
const SHARED =
  /^[0-9a-f]+-[0-9a-f]+ .w.s [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) (\d+)/gm

const inodeNumber = ({ inoHigh, inoLow }: FileStatus): number =>
  inoHigh * 2 ** 32 + inoLow

export class MappedFiles {
  /** `major:minor inode` of each. */
  readonly #files = new Set<string>()

  /**
   * Looks at the processes that this one sees and may look at: all of its PID
   * namespace for root, else those of the user.
   */
  static read(): MappedFiles {
    const mapped = new MappedFiles()
    for (const pid of listProcesses()) mapped.#add(mappingsOf(pid))
    return mapped
  }

  #add(text: string): void {
    for (const [, major = '', minor = '', inode] of text.matchAll(SHARED)) {
      const device = `${parseInt(major, 16)}:${parseInt(minor, 16)}`
      this.#files.add(`${device} ${Number(inode)}`)
    }
  }

  /**
   * Whether a file is mapped for writing. `device` is that of its superblock
   * (`MountEntry.device`), which on btrfs is another one than in the status.
   */
  has(device: string, status: FileStatus): boolean {
    return this.#files.has(`${device} ${inodeNumber(status)}`)
  }
}
