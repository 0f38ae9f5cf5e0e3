/**
 * The directories of a source that an import is in, opened when one is needed:
 * where nothing is read, none is.
 *
 * Each is the one that was scanned: reached from the root by one name at a
 * time, and of the same device and inode.
 */

import type { DirectoryHandle } from '../system/directory-handle.ts'
import { isSameFile } from '../system/directory-handle.ts'
import { DirectoryStack } from '../system/directory-stack.ts'
import type { FileStatus } from '../system/file-status.ts'
import { rawPathBelow } from './raw-path.ts'
import type { ScannedNode } from './scan.ts'
import { changedError } from './source-error.ts'

export class SourceDirectories {
  readonly #stack: DirectoryStack
  readonly #source: string
  /** From below the root on; the stack has the first of them. */
  readonly #nodes: ScannedNode[] = []

  /** `root`, whose raw path is `source`, stays the caller's to close. */
  constructor(root: DirectoryHandle, source: string) {
    this.#stack = new DirectoryStack(root)
    this.#source = source
  }

  /** Goes down into a directory. */
  enter(node: ScannedNode): void {
    this.#nodes.push(node)
  }

  /** Goes up again. Errors: `SOURCE_CHANGED`. */
  leave(): void {
    if (this.#stack.depth === this.#nodes.length) this.#stack.leave()
    this.#nodes.pop()
  }

  /**
   * Where the import is. System errors: ENOENT, ENOTDIR, EACCES. Errors:
   * `SOURCE_CHANGED` for another directory than the one scanned.
   */
  open(): DirectoryHandle {
    const stack = this.#stack
    while (stack.depth < this.#nodes.length) {
      const { name, status } = this.#nodes[stack.depth] as ScannedNode
      stack.enter(name)
      if (isSameFile(stack.status as FileStatus, status)) continue
      const path = rawPathBelow(this.#source, stack.path)
      stack.leave()
      throw changedError(path, 'it was replaced while the tree was read')
    }
    return stack.top
  }

  /** Closes all but the root. */
  close(): void {
    this.#stack.close()
  }
}
