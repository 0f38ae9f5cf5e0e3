/**
 * The directories from a root down to where a walk stands, however deep.
 *
 * Only the last few are held open. The way back up goes through `..`, and what
 * is found there must be the directory that was come from: device and inode
 * are compared, so that who moves directories meanwhile leads nobody astray.
 */

import { DendroError } from '../errors.ts'
import type { DirectoryHandle } from './directory-handle.ts'
import { isSameFile } from './directory-handle.ts'
import type { FileStatus } from './file-status.ts'

/** Directories held open besides the root. */
const MAX_OPEN = 64

interface Level {
  handle: DirectoryHandle | undefined
  readonly status: FileStatus
  readonly name: string
}

export class DirectoryStack {
  readonly #root: DirectoryHandle
  readonly #levels: Level[] = []

  /** Begins at `root`, which stays the caller's to close. */
  constructor(root: DirectoryHandle) {
    this.#root = root
  }

  /** Names that were entered. */
  get depth(): number {
    return this.#levels.length
  }

  /** Where the walk stands. */
  get top(): DirectoryHandle {
    return this.#levels.at(-1)?.handle ?? this.#root
  }

  /** Status of the directory entered last, when it was; none at the root. */
  get status(): FileStatus | undefined {
    return this.#levels.at(-1)?.status
  }

  /** Where it stands, as a raw path below the root. */
  get path(): string {
    return this.#levels.map(({ name }) => name).join('/')
  }

  /** Goes down into `name`. System errors: ENOTDIR for a link too, ENOENT. */
  enter(name: string): DirectoryHandle {
    const handle = this.top.child(name)
    this.#levels.push({ handle, status: handle.status(), name })
    const far = this.#levels[this.#levels.length - 1 - MAX_OPEN]
    far?.handle?.close()
    if (far !== undefined) far.handle = undefined
    return handle
  }

  /** Goes up one level. Errors: `SOURCE_CHANGED` when the way up leads elsewhere. */
  leave(): void {
    const left = this.#levels.pop()
    const above = this.#levels.at(-1)
    try {
      if (above === undefined || above.handle !== undefined) return
      const handle = (left?.handle as DirectoryHandle).parent()
      above.handle = handle
      if (!isSameFile(handle.status(), above.status))
        throw new DendroError(
          'SOURCE_CHANGED',
          `cannot go on in ${this.path}: a directory below it was moved away meanwhile`,
          { hint: 'try again when nothing moves there' },
        )
    } finally {
      left?.handle?.close()
    }
  }

  /** Closes all but the root. */
  close(): void {
    for (const { handle } of this.#levels) handle?.close()
    this.#levels.length = 0
  }
}
